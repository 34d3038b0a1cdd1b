"""Imports httpx without its own command line, which loads rich and pygments: 35 of the 65 ms."""

import sys
from typing import Final

_ITS_COMMAND_LINE: Final = "httpx._main"


def import_httpx() -> None:
    """Imports it, if no other module has. httpx takes the missing module for an extra that is not installed."""
    if "httpx" in sys.modules:
        return
    sys.modules[_ITS_COMMAND_LINE] = None  # type: ignore[assignment] # the import system's "there is no such module"
    try:
        import httpx  # noqa: F401
    finally:
        del sys.modules[_ITS_COMMAND_LINE]

"""Opens a ledger in memory: finds the application of opledger-service."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from importlib.metadata import entry_points
from pathlib import Path
from typing import Final

from opledger._testing.ledger import Ledger
from opledger._testing.names import check_names, other_owners

IN_MEMORY: Final = "opledger.testing"
"""Entry-point group of the service. Its entry `ledger` names a function from the operations file to the ledger."""


def open_ledger(operations: str | Path) -> AbstractContextManager[Ledger]:
    """A ledger in memory, for the length of a `with` block.

    Args:
        operations: File that declares the operation types.

    Raises:
        ImportError: the distribution opledger-service is not installed, or other packages have the names of its own.
        ValueError: the file cannot be used.
    """
    found = [*entry_points(group=IN_MEMORY, name="ledger")]
    if not found:
        raise ImportError("the ledger in memory needs the application of opledger: pip install 'opledger[testing]'")
    check_names(found[0].dist)
    try:
        opened: Callable[[Path], AbstractContextManager[Ledger]] = found[0].load()
    except ImportError as error:
        raise ImportError(f"{error}{other_owners()}") from error
    return opened(Path(operations))

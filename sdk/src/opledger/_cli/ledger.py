"""Finds the ledger that a command uses."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from opledger._address import find_ledger
from opledger._cli.light_httpx import import_httpx
from opledger._profiles import read_key

if TYPE_CHECKING:
    from opledger import Client

LOCAL: Final = "http://127.0.0.1:8080"
"""Where `opledger up` serves if it can."""


def connect(options: dict[str, Any]) -> "Client":
    """Takes the options of `connection` out of a command's options, and opens a client.

    Raises ClickException: the profile does not exist, the key cannot be read, or the address has a wrong form.
    """
    import_httpx()
    from opledger._client.sync_client import Client

    url, name = options.pop("url"), options.pop("profile")
    key_file, within = options.pop("api_key_file"), options.pop("within")
    try:
        key = None if key_file is None else read_key(key_file)
        if find_ledger(url, key, name) is None:
            url = _local()
        return Client(url, key, profile=name, timeout=within)
    except ValueError as error:
        raise click.ClickException(str(error)) from None


def _local() -> str:
    """The address of the `opledger up` that has its data below the working folder, else its usual address."""
    try:
        running = json.loads((Path(os.environ.get("OPLEDGER_DATA_DIR", ".opledger")) / "run.json").read_text())
        return str(running["api_url"])
    except (OSError, ValueError, KeyError, TypeError):
        return LOCAL

"""Finds the ledger that a command uses."""

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from opledger._cli import profiles
from opledger._cli.light_httpx import import_httpx

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

    url, name = options.pop("url"), options.pop("profile") or os.environ.get("OPLEDGER_PROFILE")
    key_file, within = options.pop("api_key_file"), options.pop("within")
    if url is None and (name or not os.environ.get("OPLEDGER_URL")):
        chosen = _profile(name)
        url, key_file = chosen.url, key_file or chosen.api_key_file
    try:
        return Client(url, None if key_file is None else _key(key_file), timeout=within)
    except ValueError as error:
        raise click.ClickException(str(error)) from None


def _profile(name: str | None) -> profiles.Profile:
    known = profiles.read()
    if name is None:
        return known.get("default") or profiles.Profile(_local())
    if name not in known:
        raise click.ClickException(f"there is no profile {name!r}; `opledger profile list` shows the profiles")
    return known[name]


def _local() -> str:
    """The address of the `opledger up` that has its data below the working folder, else its usual address."""
    try:
        running = json.loads((Path(os.environ.get("OPLEDGER_DATA_DIR", ".opledger")) / "run.json").read_text())
        return str(running["api_url"])
    except (OSError, ValueError, KeyError, TypeError):
        return LOCAL


def _key(file: str) -> str:
    try:
        return Path(file).expanduser().read_text().strip()
    except (OSError, UnicodeDecodeError) as error:
        raise click.ClickException(f"the API key cannot be read: {error}") from None

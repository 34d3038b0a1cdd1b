"""Address and API key of the ledger: from arguments, from the environment, or from a profile."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from opledger import _profiles


@dataclass(frozen=True)
class LedgerAddress:
    """Where the ledger's API is, and the key for it."""

    url: str
    """Without a slash at the end."""
    api_key: str | None = field(default=None, repr=False)
    """None: the ledger runs without access control."""


def find_address(url: str | None = None, api_key: str | None = None) -> LedgerAddress | None:
    """The address; None if neither the argument nor `OPLEDGER_URL` has a URL.

    Without the argument, the key is `OPLEDGER_API_KEY`, or the content of the file `OPLEDGER_API_KEY_FILE`.

    Raises:
        ValueError: the URL is not an http or https URL, the key is not one line of visible ASCII characters, or the
                file cannot be read.
    """
    url = url or os.environ.get("OPLEDGER_URL") or None
    if url is None:
        return None
    parts = urlsplit(url)
    if (
        parts.scheme not in ("http", "https")
        or not parts.hostname
        or "@" in parts.netloc
        or parts.query
        or parts.fragment
    ):
        # The message does not repeat the URL, which can contain a secret.
        raise ValueError("the ledger's URL must be like https://ledger.example.com, without user, query and fragment")
    key = api_key or os.environ.get("OPLEDGER_API_KEY") or _key_from_file()
    if key is not None and not (key.isascii() and key.isprintable() and " " not in key):
        raise ValueError("the ledger's API key must be one line of visible ASCII characters")
    return LedgerAddress(url.rstrip("/"), key)


def find_ledger(url: str | None, api_key: str | None, profile: str | None) -> LedgerAddress | None:
    """The address of the argument, else of the profile that is named, else as `find_address`, else of the profile
    `default`. None if there is none of these.

    Raises:
        ValueError: as `find_address`, and for a profile that does not exist, or whose key cannot be read.
    """
    chosen = None if url else _profiles.selected(profile)
    if chosen is None:
        return find_address(url, api_key)
    if not api_key and chosen.api_key_file is not None:
        api_key = _profiles.read_key(chosen.api_key_file)
    return find_address(chosen.url, api_key)


def _key_from_file() -> str | None:
    path = os.environ.get("OPLEDGER_API_KEY_FILE")
    if not path:
        return None
    try:
        return Path(path).read_text().strip() or None
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"OPLEDGER_API_KEY_FILE cannot be read: {error}") from error

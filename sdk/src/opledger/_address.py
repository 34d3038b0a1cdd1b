"""Address and API key of the ledger: from arguments, or from the environment."""

import os
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit


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


def _key_from_file() -> str | None:
    path = os.environ.get("OPLEDGER_API_KEY_FILE")
    if not path:
        return None
    try:
        return Path(path).read_text().strip() or None
    except (OSError, UnicodeDecodeError) as error:
        raise ValueError(f"OPLEDGER_API_KEY_FILE cannot be read: {error}") from error

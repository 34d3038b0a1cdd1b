"""Address and API key of the ledger: from arguments, from the environment, or from a profile."""

import os
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from opledger import _profiles

_KEY_FILE = "OPLEDGER_API_KEY_FILE"


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
    return None if url is None else _address(url, api_key)


def check_url(url: str) -> None:
    """Raises ValueError: it is no URL of a ledger. The message does not repeat it: it can contain a secret."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        well_formed = False
    else:
        is_http = parts.scheme in ("http", "https") and bool(parts.hostname) and port != 0
        has_more = "@" in parts.netloc or parts.query or parts.fragment
        well_formed = is_http and not has_more and url.isprintable() and " " not in url
    if not well_formed:
        raise ValueError(
            "the ledger's URL must be like https://ledger.example.com, without spaces, user, query and fragment"
        )


def find_ledger(url: str | None, api_key: str | None, profile: str | None) -> LedgerAddress | None:
    """The address of the argument, else of the profile that is named, else as `find_address`, else of the profile
    `default`. None if there is none of these.

    Raises:
        ValueError: as `find_address`; for a profile that does not exist, or whose key cannot be read; and for an
                empty argument, which would mean another ledger than the caller has in mind.
    """
    for name, value in (("url", url), ("api_key", api_key), ("profile", profile)):
        if value == "":
            raise ValueError(f"{name}: empty")
    chosen = None if url else _profiles.selected(profile)
    if chosen is None:
        return find_address(url, api_key)
    if api_key is None and chosen.api_key_file is not None:
        api_key = _profiles.read_key(chosen.api_key_file)
    return _address(chosen.url, api_key)


def _address(url: str, api_key: str | None) -> LedgerAddress:
    check_url(url)
    key = api_key or os.environ.get("OPLEDGER_API_KEY") or _key_of_environment()
    if key is not None and not (key.isascii() and key.isprintable() and " " not in key):
        raise ValueError("the ledger's API key must be one line of visible ASCII characters")
    return LedgerAddress(url.rstrip("/"), key)


def _key_of_environment() -> str | None:
    file = os.environ.get(_KEY_FILE)
    return _profiles.read_key(file, _KEY_FILE) if file else None

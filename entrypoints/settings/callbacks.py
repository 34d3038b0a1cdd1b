"""Checks of the settings for completion callbacks."""

import re
from typing import Final, Protocol
from urllib.parse import urlsplit

from domain.access.callback_token import CallbackKeys

LONGEST_CALLBACK_URL: Final = 900
"""Characters. Temporal accepts URLs of at most 1000, and the callback's path is appended."""
_CALLBACK_URL = re.compile(r"https?://([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?(/[!-~]*)?", re.IGNORECASE)
_CALLBACK_URL_RULE = (
    "callback_url must be the API's base URL as Temporal reaches it, such as https://ledger.example: http or https, a "
    f"host, no user, query or fragment, at most {LONGEST_CALLBACK_URL} characters"
)
_NO_KEYS = (
    "callback_url is set, but callback_keys is not: set OPLEDGER_CALLBACK_KEYS to a name and a secret, the same for "
    "the API and every worker; `echo first:$(openssl rand -hex 32)` makes one"
)


class CallbackSettings(Protocol):
    """The settings that are read here."""

    @property
    def callback_url(self) -> str | None: ...
    @property
    def callback_keys(self) -> str | None: ...


def checked_callback_url(settings: CallbackSettings) -> str | None:
    """Returns the URL without a slash at its end; None while callbacks are off. Raises ValueError with the setting and
    the rule, and never with a secret."""
    parsed_callback_keys(settings)
    if settings.callback_url is None:
        return None
    url = settings.callback_url.rstrip("/")
    if not _is_callback_url(url):
        raise ValueError(_CALLBACK_URL_RULE)
    if settings.callback_keys is None:
        raise ValueError(_NO_KEYS)
    return url


def parsed_callback_keys(settings: CallbackSettings) -> CallbackKeys | None:
    """Returns the keys that sign and verify callbacks; None if there are none. Raises ValueError."""
    if settings.callback_keys is None:
        return None
    try:
        return CallbackKeys.parse(settings.callback_keys)
    except ValueError as error:
        raise ValueError(f"callback_keys: {error}") from None


def _is_callback_url(url: str) -> bool:
    if len(url) > LONGEST_CALLBACK_URL or "?" in url or "#" in url or not _CALLBACK_URL.fullmatch(url):
        return False
    try:
        port = urlsplit(url).port
    except ValueError:
        return False
    return port != 0

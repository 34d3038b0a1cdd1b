"""The rules of the settings about payload codecs."""

import re
from typing import Final, Protocol
from urllib.parse import urlsplit

from entrypoints.settings.access import is_loopback

_CONVERTER: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_PRINTABLE: Final = re.compile(r"[!-~]([ -~]*[!-~])?")
_ENDPOINT: Final = (
    "codec_endpoint is the base URL of a codec server, such as https://codec.example: https, or http for a loopback "
    "address alone; a host, no user, query or fragment"
)


class CodecSettings(Protocol):
    """The settings that the rules are about."""

    @property
    def data_converter(self) -> str | None: ...
    @property
    def codec_endpoint(self) -> str | None: ...
    @property
    def codec_authorization(self) -> str | None: ...


def check_codec(settings: CodecSettings) -> None:
    """Raises ValueError, which never repeats the authorization."""
    converter, endpoint = settings.data_converter, settings.codec_endpoint
    if converter is not None and not _CONVERTER.fullmatch(converter):
        raise ValueError("data_converter is module:name, such as my_company.temporal:data_converter")
    if endpoint is not None and not _is_endpoint(endpoint):
        raise ValueError(_ENDPOINT)
    if settings.codec_authorization is None:
        return
    if endpoint is None:
        raise ValueError("codec_authorization is set and codec_endpoint is not")
    if not _PRINTABLE.fullmatch(settings.codec_authorization):
        raise ValueError("codec_authorization is a header's value, such as `Bearer ...`: printable ASCII in one line")


def _is_endpoint(url: str) -> bool:
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return False
    plain = _PRINTABLE.fullmatch(url) is not None and not set(url) & set(" @?#\\")
    host = parts.hostname or ""
    safe = parts.scheme == "https" or (parts.scheme == "http" and is_loopback(host))
    return plain and safe and bool(host) and port != 0

"""Validates the settings about payload codecs."""

import re
from typing import Final, Protocol
from urllib.parse import urlsplit

from domain.access.confidential_url import is_confidential

_CONVERTER: Final = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")
_PRINTABLE: Final = re.compile(r"[!-~]([ -~]*[!-~])?")
_ENDPOINT: Final = (
    "codec_endpoint must be the base URL of a codec server, such as https://codec.example: https, or http for a "
    "loopback address; a host, no user, query or fragment"
)


class CodecSettings(Protocol):
    """The settings that `check_codec` reads."""

    @property
    def data_converter(self) -> str | None: ...
    @property
    def codec_endpoint(self) -> str | None: ...
    @property
    def codec_authorization(self) -> str | None: ...


def check_codec(settings: CodecSettings) -> None:
    """Raises ValueError with the setting and the rule, and never with the authorization."""
    converter, endpoint = settings.data_converter, settings.codec_endpoint
    if converter is not None and not _CONVERTER.fullmatch(converter):
        raise ValueError("data_converter must be module:name, such as my_company.temporal:data_converter")
    if endpoint is not None and not _is_endpoint(endpoint):
        raise ValueError(_ENDPOINT)
    if settings.codec_authorization is None:
        return
    if endpoint is None:
        raise ValueError("codec_authorization is set, but codec_endpoint is not")
    if not _PRINTABLE.fullmatch(settings.codec_authorization):
        raise ValueError("codec_authorization must be a header value such as `Bearer ...`: printable ASCII in one line")


def _is_endpoint(url: str) -> bool:
    return is_confidential(url) and not set(url) & set("@?#\\") and urlsplit(url).port != 0

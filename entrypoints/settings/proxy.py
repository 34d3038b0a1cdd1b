"""Validates the settings about proxies and browsers: public address, trusted proxies, allowed origins."""

import ipaddress
import re
from dataclasses import dataclass
from typing import Final, Protocol
from urllib.parse import urlsplit

Network = ipaddress.IPv4Network | ipaddress.IPv6Network
_PATH: Final = r"(?:/(?!\.{1,2}(?:/|\Z))[A-Za-z0-9._~-]+)*"
_ROOT: Final = re.compile(_PATH)
_AUTHORITY: Final = r"(?:[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]{1,5})?"
_URL: Final = re.compile(rf"https?://{_AUTHORITY}{_PATH}/?")
_ORIGIN: Final = re.compile(rf"(?!https.*:443\Z|http:.*:80\Z)https?://{_AUTHORITY}")
ANY_ORIGIN: Final = "*"


class ProxySettings(Protocol):
    """The settings about proxies and browsers."""

    @property
    def access(self) -> str: ...
    @property
    def public_url(self) -> str | None: ...
    @property
    def root_path(self) -> str: ...
    @property
    def trusted_proxies(self) -> str: ...
    @property
    def cors_origins(self) -> str: ...


@dataclass(frozen=True, slots=True)
class ProxyRules:
    """How clients reach the API."""

    public_url: str | None = None
    """The base URL that clients use. None: taken from each request."""
    root_path: str = ""
    """A prefix that the proxy does not remove."""
    trusted: tuple[Network, ...] = ()
    """Peers whose `X-Forwarded-*` headers are believed."""

    @property
    def public_path(self) -> str | None:
        """The path of the public URL."""
        return None if self.public_url is None else urlsplit(self.public_url).path

    @property
    def https_host(self) -> bytes | None:
        """The public URL's host and port, as a browser sends them. None if it is not an https URL."""
        url = urlsplit(self.public_url or "")
        return url.netloc.lower().removesuffix(":443").encode() if url.scheme == "https" else None


def proxy_rules(settings: ProxySettings) -> ProxyRules:
    """Raises ValueError with the setting and the rule."""
    public_url = settings.public_url.rstrip("/") if settings.public_url else None
    if public_url is not None and not _URL.fullmatch(public_url):
        raise ValueError(
            "public_url must be the base URL that clients use, such as https://ledger.example/ops: http or https, a "
            "host, letters, digits and ._~- in the path, no user, query or fragment"
        )
    root_path = settings.root_path.rstrip("/")
    if not is_prefix(root_path):
        raise ValueError("root_path must be a path such as /ops, of letters, digits and ._~-")
    return ProxyRules(public_url, root_path, tuple(map(_network, _listed(settings.trusted_proxies))))


def allowed_origins(settings: ProxySettings) -> frozenset[str]:
    """Origins of web pages that may use the API. Raises ValueError with the setting and the rule."""
    origins = frozenset(_listed(settings.cors_origins))
    for origin in origins - {ANY_ORIGIN}:
        if not _ORIGIN.fullmatch(origin) or origin != origin.lower():
            raise ValueError(
                f"cors_origins has {origin!r}: an origin must be scheme, host and port as a browser sends them, in "
                "lower case and without a default port, such as https://dashboard.example"
            )
    if ANY_ORIGIN in origins and settings.access == "none":
        raise ValueError(
            "cors_origins is * without access control: every web page in a browser on this machine "
            "could submit and cancel operations; name the origins, or set OPLEDGER_ACCESS"
        )
    return origins


def is_prefix(text: str) -> bool:
    """Whether the text is a path prefix: empty, or a path without dot segments, `//` and a slash at its end."""
    return _ROOT.fullmatch(text) is not None


def _network(text: str) -> Network:
    try:
        return ipaddress.ip_network(text)
    except ValueError as error:
        raise ValueError(f"trusted_proxies must be addresses and networks such as 10.0.0.0/8: {error}") from None


def _listed(text: str) -> list[str]:
    return [item for item in map(str.strip, text.split(",")) if item]

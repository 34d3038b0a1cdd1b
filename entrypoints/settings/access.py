"""The rules of the settings about access."""

import ipaddress
from typing import Final, Literal, Protocol
from urllib.parse import urlsplit

AccessKind = Literal["none", "keys", "jwt", "keys,jwt"]
Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""Of signatures that are checked with a public key: who can check a token cannot make one."""
_NEEDED: Final = ("jwt_issuer", "jwt_audience", "jwt_jwks")


class AccessSettings(Protocol):
    """The settings about access."""

    @property
    def access(self) -> AccessKind: ...
    @property
    def host(self) -> str: ...
    @property
    def jwt_issuer(self) -> str | None: ...
    @property
    def jwt_audience(self) -> str | None: ...
    @property
    def jwt_jwks(self) -> str | None: ...


def check_access(settings: AccessSettings) -> None:
    """Raises ValueError, which names the setting and the rule."""
    if settings.access == "none" and not is_loopback(settings.host):
        raise ValueError(
            f"host must be a loopback address such as 127.0.0.1, not {settings.host!r}, while there is no access "
            "control: set OPLEDGER_ACCESS to keys, jwt or keys,jwt"
        )
    if "jwt" not in settings.access:
        return
    missing = [name for name in _NEEDED if not getattr(settings, name)]
    if missing:
        raise ValueError(f"access says jwt, and {missing[0]} is not set: jwt needs {', '.join(_NEEDED)}")
    _check_place(settings.jwt_jwks or "")


def _check_place(place: str) -> None:
    """Who answers in the place of the identity provider says who everybody is: over a network it has to be https."""
    parts = urlsplit(place)
    if parts.scheme not in ("http", "https"):
        return
    plain = parts.scheme == "http" and not is_loopback(parts.hostname or "")
    if plain or not parts.hostname or parts.username is not None:
        raise ValueError("jwt_jwks is a file or an https URL without a user; http for a loopback address alone")


def is_loopback(host: str) -> bool:
    """Whether this machine alone can reach it."""
    try:
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False

"""Validates the settings about access control."""

from typing import Final, Literal, Protocol
from urllib.parse import urlsplit

from domain.access.confidential_url import is_confidential, is_loopback

AccessKind = Literal["none", "keys", "jwt", "keys,jwt"]
Algorithm = Literal["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"]
"""Signature algorithms with a public key: a process that can verify a token cannot create one."""
_NEEDED: Final = ("jwt_issuer", "jwt_audience", "jwt_jwks")


class AccessSettings(Protocol):
    """The settings that `check_access` reads."""

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
    """Raises ValueError with the setting and the rule."""
    if settings.access == "none" and not is_loopback(settings.host):
        raise ValueError(
            f"host must be a loopback address such as 127.0.0.1, not {settings.host!r}, without access control: "
            "set OPLEDGER_ACCESS to keys, jwt or keys,jwt"
        )
    if "jwt" not in settings.access:
        return
    missing = [name for name in _NEEDED if not getattr(settings, name)]
    if missing:
        raise ValueError(f"access includes jwt, but {missing[0]} is not set: jwt needs {', '.join(_NEEDED)}")
    _check_jwks(settings.jwt_jwks or "")


def _check_jwks(location: str) -> None:
    """Requires https over a network: a forged key set would let an attacker authenticate as anyone."""
    if urlsplit(location).scheme in ("http", "https") and not is_confidential(location):
        raise ValueError(
            "jwt_jwks must be a file or an https URL without user and fragment; http only for a loopback address"
        )

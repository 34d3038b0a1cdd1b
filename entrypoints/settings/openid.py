"""Checks of the settings for sign-in by OpenID Connect."""

from pathlib import Path
from typing import Final, Protocol

from domain.access.confidential_url import is_confidential
from domain.errors import StartupError

_SETTINGS: Final = ("oidc_client_secret", "oidc_client_secret_file", "oidc_discovery_url")
_WELL_KNOWN: Final = "/.well-known/openid-configuration"


class OpenIdSettings(Protocol):
    """The settings that are read here."""

    @property
    def access(self) -> str: ...
    @property
    def jwt_issuer(self) -> str | None: ...
    @property
    def oidc_client_id(self) -> str | None: ...
    @property
    def oidc_client_secret(self) -> str | None: ...
    @property
    def oidc_client_secret_file(self) -> str | None: ...
    @property
    def oidc_scopes(self) -> str: ...
    @property
    def oidc_discovery_url(self) -> str | None: ...


def check_openid(settings: OpenIdSettings) -> None:
    """Raises ValueError with the setting and the rule, and never with the secret."""
    if settings.oidc_client_id is None:
        useless = [name for name in _SETTINGS if getattr(settings, name) is not None]
        if useless:
            raise ValueError(f"{useless[0]} is set, but oidc_client_id is not")
        return
    if "jwt" not in settings.access:
        raise ValueError(
            "oidc_client_id is set, but access does not include jwt: set OPLEDGER_ACCESS to jwt or keys,jwt"
        )
    if settings.oidc_client_secret is not None and settings.oidc_client_secret_file is not None:
        raise ValueError("oidc_client_secret and oidc_client_secret_file are both set: set only one of the two")
    if "openid" not in settings.oidc_scopes.split():
        raise ValueError("oidc_scopes must have openid among them, such as `openid profile`")
    if not is_confidential(discovery_url(settings)):
        raise ValueError(
            "oidc_discovery_url, or without it jwt_issuer, must be an https URL; http only for a loopback address"
        )


def discovery_url(settings: OpenIdSettings) -> str:
    """Returns the URL of the provider's configuration."""
    return settings.oidc_discovery_url or (settings.jwt_issuer or "").rstrip("/") + _WELL_KNOWN


def client_secret(settings: OpenIdSettings) -> str | None:
    """Returns the client secret; None: there is none. Raises StartupError: its file cannot be used."""
    if settings.oidc_client_secret_file is None:
        return settings.oidc_client_secret
    path = Path(settings.oidc_client_secret_file)
    try:
        secret = path.read_text(encoding="utf-8").strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise StartupError(f"oidc_client_secret_file: {path} cannot be read: {reason}") from None
    if not secret:
        raise StartupError(f"oidc_client_secret_file: {path} is empty")
    return secret

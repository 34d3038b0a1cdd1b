"""The configuration that an OpenID provider publishes (OpenID Connect Discovery)."""

import time
from collections.abc import Callable
from typing import Annotated

import msgspec

from adapters.identity_provider.http import read_url
from adapters.identity_provider.published import Published
from application.ports.token_verifier import IdentityProviderUnavailable
from domain.access.confidential_url import is_confidential

_Text = Annotated[str, msgspec.Meta(min_length=1, max_length=2000)]


class Configuration(msgspec.Struct, frozen=True):
    """The fields that are used."""

    issuer: _Text
    authorization_endpoint: _Text
    token_endpoint: _Text
    end_session_endpoint: _Text | None = None
    """URL at which the provider ends its own session (OpenID Connect RP-Initiated Logout)."""
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)
    code_challenge_methods_supported: tuple[str, ...] | None = None
    """PKCE. None: the provider does not say."""
    authorization_response_iss_parameter_supported: bool = False
    """Whether responses to the browser name the issuer (RFC 9207)."""


class Discovery:
    """The configuration of one provider, cached."""

    def __init__(self, url: str, issuer: str, monotonic: Callable[[], float] = time.monotonic) -> None:
        """`issuer`: the one that the configuration must name."""
        self._url = url
        self._issuer = issuer
        self._published = Published("the configuration", self._read, monotonic)

    async def configuration(self) -> Configuration:
        """Returns the configuration. Raises IdentityProviderUnavailable if it was never read."""
        return await self._published.get()

    async def check(self) -> None:
        """Reads the configuration. Raises IdentityProviderUnavailable, with the reason."""
        await self._published.check()

    async def _read(self) -> Configuration:
        content = await read_url(self._url)
        try:
            found = msgspec.json.decode(content, type=Configuration)
        except (msgspec.DecodeError, ValueError, RecursionError) as error:
            raise IdentityProviderUnavailable(f"{self._url} is not an OpenID configuration: {error}") from None
        self._validate(found)
        return found

    def _validate(self, found: Configuration) -> None:
        """Raises IdentityProviderUnavailable: the configuration is that of another provider, or is not safe to use."""
        if found.issuer != self._issuer:
            raise IdentityProviderUnavailable(
                f"{self._url} is the configuration of {found.issuer!r}, not of {self._issuer!r}: OPLEDGER_JWT_ISSUER "
                "must be the issuer exactly as the provider writes it"
            )
        for name in ("authorization_endpoint", "token_endpoint", "end_session_endpoint"):
            url = getattr(found, name)
            if url is not None and not is_confidential(url):
                raise IdentityProviderUnavailable(f"{self._url}: {name} is not an https URL: {url!r}")
        methods = found.code_challenge_methods_supported
        if methods is not None and "S256" not in methods:
            raise IdentityProviderUnavailable(f"{self._url}: the provider does not support PKCE with S256")

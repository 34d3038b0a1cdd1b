"""Port: verification of an identity provider's tokens."""

from typing import Protocol

from domain.access.principal import Principal
from domain.errors import OpledgerError


class IdentityProviderUnavailable(OpledgerError):
    """The identity provider cannot be reached, or its answer cannot be used."""


class TokenVerifier(Protocol):
    """Verifies the tokens of one identity provider."""

    async def verify(self, token: str) -> Principal:
        """Returns the principal: tenant, subject, and the scopes that this service knows.

        Raises InvalidCredentials: the token is of another provider, for another service, expired, or without tenant or
        subject; IdentityProviderUnavailable: the keys were never read."""

"""Port: whose a token of an identity provider is."""

from typing import Protocol

from domain.access.principal import Principal
from domain.errors import OpledgerError


class IdentityProviderUnavailable(OpledgerError):
    """The identity provider's keys cannot be had."""


class TokenVerifier(Protocol):
    """Knows one identity provider."""

    async def verify(self, token: str) -> Principal:
        """Whom the token is about: its tenant, its subject, and those of its scopes that this service has.

        Raises InvalidCredentials: not this provider's, not for this service, expired, or without tenant or subject;
        IdentityProviderUnavailable where nobody can tell."""

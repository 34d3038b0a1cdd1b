"""Authenticates requests by their credentials. Independent of the web framework."""

import re
from collections.abc import Sequence
from typing import Final, Protocol

from application.access.authenticate import Authenticate
from application.access.rate_limit import RateLimit
from domain.access.credentials import InvalidCredentials, MissingCredentials
from domain.access.principal import DEFAULT_TENANT, Principal
from domain.access.scope import ALL_SCOPES

MAX_CREDENTIAL: Final = 8192
"""Characters."""
ANYONE: Final = Principal(DEFAULT_TENANT, scopes=ALL_SCOPES)
"""The caller without access control."""
_BEARER = re.compile(r"bearer +(?P<credential>[!-~]+)", re.IGNORECASE)


class Access(Protocol):
    """Authenticates requests."""

    @property
    def controlled(self) -> bool:
        """Whether requests need credentials."""

    async def principal(self, authorization: Sequence[str]) -> Principal:
        """The caller, from the request's Authorization headers; counts towards its rate limit. Raises
        MissingCredentials, InvalidCredentials, RateLimited, DatabaseUnavailable, IdentityProviderUnavailable."""

    async def still(self, authorization: Sequence[str]) -> Principal:
        """The caller again, later in the same request. Does not count towards the rate limit."""

    async def owner(self, principal: Principal, *, counted: bool) -> Principal:
        """The caller of a session, from the principal that started it. `counted`: towards the rate limit. Raises
        InvalidCredentials, RateLimited, DatabaseUnavailable."""

    async def recheck(self, principal: Principal) -> None:
        """Rechecks the credential behind a stream ticket. Raises InvalidCredentials, DatabaseUnavailable."""


class NoAccessControl:
    """Grants every caller all scopes in one tenant. For loopback only."""

    controlled = False

    async def principal(self, authorization: Sequence[str]) -> Principal:
        """The default tenant with all scopes."""
        return ANYONE

    async def still(self, authorization: Sequence[str]) -> Principal:
        """The default tenant with all scopes."""
        return await self.principal(authorization)

    async def owner(self, principal: Principal, *, counted: bool) -> Principal:
        """The default tenant with all scopes."""
        return await self.principal(())

    async def recheck(self, principal: Principal) -> None:
        """Accepts every principal."""


class BearerAccess:
    """API keys and JWTs as `Authorization: Bearer ...` (RFC 6750), each with a rate limit."""

    controlled = True

    def __init__(self, authenticate: Authenticate, limit: RateLimit) -> None:
        self._authenticate = authenticate
        self._limit = limit

    async def principal(self, authorization: Sequence[str]) -> Principal:
        """The owner of the credential."""
        principal = await self.still(authorization)
        self._limit.take(principal.credential or "")
        return principal

    async def still(self, authorization: Sequence[str]) -> Principal:
        """The owner of the credential, without counting."""
        return await self._authenticate.principal(_credential(authorization))

    async def owner(self, principal: Principal, *, counted: bool) -> Principal:
        """The owner of the API key or the token."""
        current = await self._authenticate.owner(principal)
        if counted:
            self._limit.take(current.credential or "")
        return current

    async def recheck(self, principal: Principal) -> None:
        """Rechecks the credential by its name."""
        await self._authenticate.recheck(principal)


def _credential(authorization: Sequence[str]) -> str:
    if not authorization:
        raise MissingCredentials("send the header Authorization: Bearer, followed by an API key or a token")
    if len(authorization) > 1:
        raise InvalidCredentials("the header Authorization must not be repeated")
    if len(authorization[0]) > MAX_CREDENTIAL:
        raise InvalidCredentials(f"the header Authorization must have at most {MAX_CREDENTIAL} characters")
    match = _BEARER.fullmatch(authorization[0])
    if match is None:
        raise InvalidCredentials("the header Authorization must be Bearer, followed by an API key or a token")
    return match["credential"]

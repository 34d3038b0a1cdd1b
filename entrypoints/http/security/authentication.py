"""Who makes a request, by the credentials that it shows. Without the web framework: the container makes it."""

import re
from collections.abc import Sequence
from typing import Final, Protocol

from application.access.authenticate import Authenticate
from application.access.rate_limit import RateLimit
from domain.access.credentials import InvalidCredentials, MissingCredentials
from domain.access.principal import Principal
from domain.access.scope import ALL_SCOPES

DEFAULT_TENANT: Final = "default"
LONGEST_CREDENTIAL: Final = 8192
"""Characters."""
_BEARER = re.compile(r"bearer +(?P<credential>[!-~]+)", re.IGNORECASE)


class Access(Protocol):
    """Tells who makes a request."""

    @property
    def controlled(self) -> bool:
        """Whether credentials are asked for."""

    async def principal(self, authorization: Sequence[str]) -> Principal:
        """By the request's Authorization headers. Raises InvalidCredentials, RateLimited, DatabaseUnavailable,
        IdentityProviderUnavailable."""

    async def still(self, authorization: Sequence[str]) -> Principal:
        """The same later on in the request, which is not counted again."""

    async def recheck(self, principal: Principal) -> None:
        """Checks that the principal of a stream ticket would still be admitted. Raises InvalidCredentials,
        DatabaseUnavailable."""


class NoAccessControl:
    """Everybody may do everything, in one tenant. For loopback alone."""

    controlled = False

    async def principal(self, authorization: Sequence[str]) -> Principal:
        """Nobody in particular."""
        return Principal(DEFAULT_TENANT, scopes=ALL_SCOPES)

    async def still(self, authorization: Sequence[str]) -> Principal:
        """The same."""
        return await self.principal(authorization)

    async def recheck(self, principal: Principal) -> None:
        """Every principal is."""


class BearerAccess:
    """API keys and tokens, `Authorization: Bearer ...` (RFC 6750), each held to its allowance."""

    controlled = True

    def __init__(self, authenticate: Authenticate, limit: RateLimit) -> None:
        self._authenticate = authenticate
        self._limit = limit

    async def principal(self, authorization: Sequence[str]) -> Principal:
        """Whose the credential is."""
        principal = await self.still(authorization)
        self._limit.take(principal.credential or "")
        return principal

    async def still(self, authorization: Sequence[str]) -> Principal:
        """Whose it is, if it is anybody's still."""
        return await self._authenticate.principal(_credential(authorization))

    async def recheck(self, principal: Principal) -> None:
        """By the name of its credential."""
        await self._authenticate.recheck(principal)


def _credential(authorization: Sequence[str]) -> str:
    if not authorization:
        raise MissingCredentials("credentials are needed: Authorization: Bearer, and an API key or a token")
    if len(authorization) > 1:
        raise InvalidCredentials("the header Authorization is given more than once")
    if len(authorization[0]) > LONGEST_CREDENTIAL:
        raise InvalidCredentials(f"the header Authorization has at most {LONGEST_CREDENTIAL} characters")
    match = _BEARER.fullmatch(authorization[0])
    if match is None:
        raise InvalidCredentials("the header Authorization does not have the form: Bearer, and an API key or a token")
    return match["credential"]

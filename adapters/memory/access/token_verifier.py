"""An identity provider in memory."""

import itertools

from application.ports.token_verifier import IdentityProviderUnavailable
from domain.access.credentials import InvalidCredentials
from domain.access.principal import Principal


class MemoryTokenVerifier:
    """Knows the tokens that it has issued, until they are let expire."""

    def __init__(self) -> None:
        self._issued: dict[str, Principal] = {}
        self._numbers = itertools.count(1)
        self.available = True

    def issue(self, principal: Principal) -> str:
        """A token about this principal."""
        token = f"token.{next(self._numbers)}.signature"
        self._issued[token] = principal
        return token

    def expire(self, token: str) -> None:
        """Refuse it from now on."""
        del self._issued[token]

    async def verify(self, token: str) -> Principal:
        if not self.available:
            raise IdentityProviderUnavailable
        if token not in self._issued:
            raise InvalidCredentials("the token is not valid")
        return self._issued[token]

"""An identity provider, in memory."""

import itertools

from application.ports.token_verifier import IdentityProviderUnavailable
from domain.access.credentials import InvalidCredentials
from domain.access.principal import Principal


class MemoryTokenVerifier:
    """Accepts the tokens that it has issued, until `expire`."""

    def __init__(self) -> None:
        self._issued: dict[str, Principal] = {}
        self._numbers = itertools.count(1)
        self.available = True

    def issue(self, principal: Principal) -> str:
        """Returns a new token for the principal."""
        token = f"token.{next(self._numbers)}.signature"
        self._issued[token] = principal
        return token

    def expire(self, token: str) -> None:
        """Refuses the token from now on."""
        del self._issued[token]

    async def verify(self, token: str) -> Principal:
        if not self.available:
            raise IdentityProviderUnavailable("the keys of the identity provider cannot be read")
        if token not in self._issued:
            raise InvalidCredentials("the token is not valid")
        return self._issued[token]

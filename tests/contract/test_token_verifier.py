"""What everybody who knows an identity provider keeps to."""

import time

import pytest

from adapters.jwt.key_set import KeySet
from adapters.jwt.verifier import JwtVerifier
from adapters.memory.access.token_verifier import MemoryTokenVerifier
from application.ports.token_verifier import IdentityProviderUnavailable, TokenVerifier
from domain.access.credentials import InvalidCredentials
from domain.access.principal import Principal
from domain.access.scope import Scope, listed
from tests.support.identity_provider import RULES, IdentityProvider

PERSON = Principal("a", "person", frozenset({Scope.READ, Scope.CANCEL}), "token ('a', 'person')")
MACHINE = Principal("b", "machine", frozenset(), "token ('b', 'machine')")


class TokenVerifierContract:
    """Subclasses give the verifier and issue its tokens."""

    verifier: TokenVerifier

    def issue(self, principal: Principal, *, expired: bool = False) -> str:
        raise NotImplementedError

    def go_away(self) -> None:
        raise NotImplementedError

    async def test_a_token_is_its_principal(self) -> None:
        """Tenant, subject, scopes, and whose it is; each token its own, as often as it is shown."""
        tokens = {self.issue(principal): principal for principal in (PERSON, MACHINE)}
        for token, principal in [*tokens.items()] * 2:
            assert await self.verifier.verify(token) == principal

    async def test_names_with_blanks(self) -> None:
        """Two subjects are never one credential, whose allowance they would share."""
        for tenant, subject in (("a b", "c"), ("a", "b c"), ("a', 'b", "c")):
            principal = Principal(tenant, subject, frozenset(), f"token {(tenant, subject)}")
            assert await self.verifier.verify(self.issue(principal)) == principal

    @pytest.mark.parametrize("token", ["", "x", "a.b.c", "e30.e30.", "opl_aaaaaaaa_" + "a" * 32])
    async def test_what_is_no_token(self, token: str) -> None:
        """It is refused, and not repeated."""
        self.issue(PERSON)
        with pytest.raises(InvalidCredentials) as caught:
            await self.verifier.verify(token)
        assert len(token) < 2 or token not in str(caught.value)

    async def test_an_expired_token(self) -> None:
        """It counts no more."""
        with pytest.raises(InvalidCredentials):
            await self.verifier.verify(self.issue(PERSON, expired=True))

    async def test_nobody_can_tell(self) -> None:
        """Without the provider's keys nothing is said of a token."""
        token = self.issue(PERSON)
        self.go_away()
        with pytest.raises(IdentityProviderUnavailable):
            await self.verifier.verify(token)


class TestMemory(TokenVerifierContract):
    @pytest.fixture(autouse=True)
    def made(self) -> None:
        self.verifier = self.memory = MemoryTokenVerifier()

    def issue(self, principal: Principal, *, expired: bool = False) -> str:
        token = self.memory.issue(principal)
        if expired:
            self.memory.expire(token)
        return token

    def go_away(self) -> None:
        self.memory.available = False


class TestJwt(TokenVerifierContract):
    @pytest.fixture(autouse=True)
    def made(self) -> None:
        self.provider = IdentityProvider()
        self.verifier = JwtVerifier(RULES, KeySet(self.provider.source, RULES.algorithm))

    def issue(self, principal: Principal, *, expired: bool = False) -> str:
        scope = listed(principal.scopes) if principal.scopes else None
        expiry = int(time.time()) + (-60 if expired else 600)
        return self.provider.token(sub=principal.actor, tenant=principal.tenant, scope=scope, exp=expiry)

    def go_away(self) -> None:
        self.provider.away = IdentityProviderUnavailable()

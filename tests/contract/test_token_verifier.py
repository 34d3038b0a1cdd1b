"""The contract of token verifiers."""

import time

import pytest

from adapters.identity_provider.key_set import KeySet
from adapters.identity_provider.verifier import JwtVerifier
from adapters.memory.access.token_verifier import MemoryTokenVerifier
from application.ports.token_verifier import IdentityProviderUnavailable, TokenVerifier
from domain.access.credentials import InvalidCredentials
from domain.access.principal import Principal
from domain.access.scope import Scope, scope_names
from tests.support.http.identity_provider import RULES, IdentityProvider

PERSON = Principal("a", "person", frozenset({Scope.READ, Scope.CANCEL}), "token ('a', 'person')")
MACHINE = Principal("b", "machine", frozenset(), "token ('b', 'machine')")


class TokenVerifierContract:
    """The contract. Subclasses provide the verifier and issue its tokens."""

    verifier: TokenVerifier

    def issue(self, principal: Principal, *, expired: bool = False) -> str:
        raise NotImplementedError

    def go_away(self) -> None:
        raise NotImplementedError

    async def test_a_token_gives_its_principal(self) -> None:
        """Tenant, subject, scopes and credential, at every use."""
        tokens = {self.issue(principal): principal for principal in (PERSON, MACHINE)}
        for token, principal in [*tokens.items()] * 2:
            assert await self.verifier.verify(token) == principal

    async def test_names_with_blanks_are_distinct_credentials(self) -> None:
        """Two subjects never share a rate limit."""
        for tenant, subject in (("a b", "c"), ("a", "b c"), ("a', 'b", "c")):
            principal = Principal(tenant, subject, frozenset(), f"token {(tenant, subject)}")
            assert await self.verifier.verify(self.issue(principal)) == principal

    @pytest.mark.parametrize("token", ["", "x", "a.b.c", "e30.e30.", "opl_aaaaaaaa_" + "a" * 32])
    async def test_an_invalid_token_is_refused_and_not_repeated(self, token: str) -> None:
        """In the error message."""
        self.issue(PERSON)
        with pytest.raises(InvalidCredentials) as caught:
            await self.verifier.verify(token)
        assert len(token) < 2 or token not in str(caught.value)

    async def test_an_expired_token_is_refused(self) -> None:
        """With InvalidCredentials."""
        with pytest.raises(InvalidCredentials):
            await self.verifier.verify(self.issue(PERSON, expired=True))

    async def test_without_the_providers_keys_verification_is_unavailable(self) -> None:
        """The token is neither accepted nor refused."""
        token = self.issue(PERSON)
        self.go_away()
        with pytest.raises(IdentityProviderUnavailable, match="the keys of the identity provider cannot be read"):
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
        scope = scope_names(principal.scopes) if principal.scopes else None
        expiry = int(time.time()) + (-60 if expired else 600)
        return self.provider.token(sub=principal.actor, tenant=principal.tenant, scope=scope, exp=expiry)

    def go_away(self) -> None:
        self.provider.away = IdentityProviderUnavailable()

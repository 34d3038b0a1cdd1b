"""Verifies tokens by RFC 8725: one algorithm, one issuer, one audience, and an expiry."""

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import jwt
from jwt.exceptions import (
    ExpiredSignatureError,
    InvalidAudienceError,
    InvalidIssuerError,
    InvalidTokenError,
    MissingRequiredClaimError,
    PyJWTError,
)

from adapters.identity_provider.key_set import KeySet
from domain.access.credentials import InvalidCredentials, is_name
from domain.access.principal import Principal
from domain.access.scope import Scope

LEEWAY = 10
"""Seconds by which the clocks of the provider and of this process may differ."""
_MESSAGES: dict[type[PyJWTError], str] = {
    ExpiredSignatureError: "the token has expired",
    InvalidIssuerError: "the token is another issuer's",
    InvalidAudienceError: "the token is not for this audience",
}


@dataclass(frozen=True, slots=True)
class TokenRules:
    """What a token must contain."""

    issuer: str
    audience: str
    algorithm: str
    """The only accepted algorithm. It is asymmetric: a service that can verify tokens cannot issue them."""
    tenant_claim: str
    scope_claim: str
    """Its value: scopes separated by blanks (RFC 8693), or a list of scopes. Unknown scopes are ignored."""


class JwtVerifier:
    """Verifies signatures and claims."""

    def __init__(self, rules: TokenRules, keys: KeySet) -> None:
        self._rules = rules
        self._keys = keys

    async def verify(self, token: str) -> Principal:
        """See the port. An error never repeats the token."""
        claims = await self.claims(token, self._rules.audience)
        tenant, subject = claims.get(self._rules.tenant_claim), claims["sub"]
        if not is_name(tenant):
            raise InvalidCredentials(f"the token's claim {self._rules.tenant_claim} names no tenant")
        if not is_name(subject):
            raise InvalidCredentials("the token's claim sub names no subject")
        scopes, expires_at = self._scopes(claims), _expires_at(claims)
        return Principal(str(tenant), subject, scopes, f"token {(tenant, subject)}", expires_at)

    async def claims(self, token: str, audience: str) -> dict[str, Any]:
        """Returns the claims of a token of the issuer for this audience. Its signature, `iss`, `aud` and `exp` are
        verified. Raises InvalidCredentials, IdentityProviderUnavailable."""
        rules = self._rules
        try:
            header = jwt.get_unverified_header(token)
        except InvalidTokenError:
            raise InvalidCredentials("the credentials are neither an API key nor a token (JWT)") from None
        if header.get("alg") != rules.algorithm:
            raise InvalidCredentials(f"the token is not signed with {rules.algorithm}")
        key = await self._keys.key(header.get("kid"))
        if key is None:
            raise InvalidCredentials("the token's key is not one of the issuer's")
        try:
            claims: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[rules.algorithm],
                issuer=rules.issuer,
                audience=audience,
                leeway=LEEWAY,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except MissingRequiredClaimError as error:
            raise InvalidCredentials(f"the token lacks the claim {error.claim}") from None
        except PyJWTError as error:
            raise InvalidCredentials(_MESSAGES.get(type(error), "the token is not valid")) from None
        return claims

    def _scopes(self, claims: dict[str, Any]) -> frozenset[Scope]:
        given = claims.get(self._rules.scope_claim, "")
        scopes = given.split() if isinstance(given, str) else given
        if not isinstance(scopes, list):
            raise InvalidCredentials(f"the token's claim {self._rules.scope_claim} is neither a text nor a list")
        return frozenset(scope for scope in Scope if scope.value in scopes)


def _expires_at(claims: dict[str, Any]) -> datetime | None:
    """Returns when the token expires, leeway included; None if a datetime cannot hold it."""
    try:
        return datetime.fromtimestamp(int(claims["exp"]) + LEEWAY, UTC)
    except (OverflowError, ValueError, OSError):
        return None

"""The adapters that verify JSON Web Tokens."""

from adapters.jwt.key_set import KeySet
from adapters.jwt.key_source import key_source
from adapters.jwt.verifier import JwtVerifier, TokenRules
from entrypoints.settings.settings import Settings
from entrypoints.wiring.identity_provider import IdentityProvider


def jwt_provider(settings: Settings) -> IdentityProvider:
    """The identity provider that the settings describe. Its keys are read at the first use."""
    keys = KeySet(key_source(settings.jwt_jwks or ""), settings.jwt_algorithm)
    rules = TokenRules(
        issuer=settings.jwt_issuer or "",
        audience=settings.jwt_audience or "",
        algorithm=settings.jwt_algorithm,
        tenant_claim=settings.jwt_tenant_claim,
        scope_claim=settings.jwt_scope_claim,
    )
    return IdentityProvider(JwtVerifier(rules, keys), keys.check)

"""The adapters of an identity provider: JSON Web Tokens, and OpenID Connect."""

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from application.ports.sign_in import SignInProvider
from application.ports.token_verifier import TokenVerifier
from entrypoints.settings.openid import client_secret, discovery_url
from entrypoints.settings.settings import Settings


@dataclass(frozen=True)
class IdentityProvider:
    """An identity provider whose tokens the API accepts."""

    verifier: TokenVerifier
    check: Callable[[], Coroutine[Any, Any, int]]
    """Returns the number of its keys. Raises IdentityProviderUnavailable."""
    sign_in: SignInProvider | None = None
    """Signs people in to the dashboard. None: it is not configured."""


def identity_provider(settings: Settings) -> IdentityProvider | None:
    """The identity provider that the settings describe; None: tokens are not accepted. Its keys are read at the first
    use. Imports the libraries for tokens, and authlib, only where they are used. Raises StartupError: the file of the
    client secret cannot be used."""
    if "jwt" not in settings.access:
        return None
    from adapters.identity_provider.key_set import KeySet
    from adapters.identity_provider.key_source import key_source
    from adapters.identity_provider.verifier import JwtVerifier, TokenRules

    keys = KeySet(key_source(settings.jwt_jwks or ""), settings.jwt_algorithm)
    rules = TokenRules(
        issuer=settings.jwt_issuer or "",
        audience=settings.jwt_audience or "",
        algorithm=settings.jwt_algorithm,
        tenant_claim=settings.jwt_tenant_claim,
        scope_claim=settings.jwt_scope_claim,
    )
    verifier = JwtVerifier(rules, keys)
    if settings.oidc_client_id is None:
        return IdentityProvider(verifier, keys.check)
    from adapters.identity_provider.discovery import Discovery
    from adapters.identity_provider.sign_in import Client, OpenIdSignIn

    client = Client(settings.oidc_client_id, client_secret(settings), settings.oidc_scopes)
    discovery = Discovery(discovery_url(settings), rules.issuer)
    return IdentityProvider(verifier, keys.check, OpenIdSignIn(client, rules, discovery, verifier))

"""Access control as OPLEDGER_ACCESS says."""

from collections.abc import Callable

from application.access.api_key_admin import ManageKeys
from application.access.authenticate import Authenticate, AuthenticateKeys
from application.access.rate_limit import RateLimit
from application.ports.clock import Clock
from application.ports.storage.api_keys import ApiKeys
from application.ports.token_verifier import IdentityProviderUnavailable
from domain.errors import StartupError
from entrypoints.http.security.authentication import Access, BearerAccess, NoAccessControl
from entrypoints.settings.settings import Settings
from entrypoints.wiring.identity_provider import IdentityProvider


def access(settings: Settings, clock: Clock, keys: AuthenticateKeys, provider: IdentityProvider | None) -> Access:
    """The configured access control."""
    if settings.access == "none":
        return NoAccessControl()
    tokens = None if provider is None else provider.verifier
    authenticate = Authenticate(keys if "keys" in settings.access else None, tokens)
    return BearerAccess(authenticate, RateLimit(clock, settings.allowance()))


def key_admin(settings: Settings, keys: ApiKeys, clock: Clock, randomness: Callable[[int], bytes]) -> ManageKeys | None:
    """The service that creates and revokes keys. None: they are not accepted."""
    return ManageKeys(keys, clock, randomness) if "keys" in settings.access else None


async def check_key_file(settings: Settings, provider: IdentityProvider | None) -> None:
    """Raises StartupError: the identity provider's keys are a file that cannot be used. A URL is not read here: it may
    be unreachable for a while."""
    if provider is None or str(settings.jwt_jwks).startswith(("http://", "https://")):
        return
    try:
        await provider.check()
    except IdentityProviderUnavailable as error:
        raise StartupError(f"jwt_jwks: {error}") from None

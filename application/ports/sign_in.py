"""Port: sign-in of people by an identity provider (OpenID Connect)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol

from domain.access.principal import Principal
from domain.errors import OpledgerError


class SignInRefused(OpledgerError):
    """The identity provider did not sign the person in. The message says why, and never has a token or a secret."""


@dataclass(frozen=True, slots=True)
class SignInAttempt:
    """One attempt of one browser. All fields but the redirect URI are unguessable."""

    redirect_uri: str
    """The absolute URL to which the provider sends the browser back."""
    state: str
    nonce: str = field(repr=False)
    code_verifier: str = field(repr=False)
    """PKCE code verifier (RFC 7636): 43 to 128 characters."""


class SignInProvider(Protocol):
    """An identity provider that signs people in."""

    @property
    def issuer(self) -> str:
        """The URL that identifies the provider."""

    async def authorization_url(self, attempt: SignInAttempt) -> str:
        """Returns the URL of the provider's page for this attempt. Raises IdentityProviderUnavailable."""

    async def finish(self, attempt: SignInAttempt, answer: Mapping[str, str]) -> Principal:
        """Exchanges the code for tokens. Returns the principal that the API would see for the access token. `answer`:
        the parameters of the provider's response to the browser. The caller has checked the state.

        Raises SignInRefused; InvalidCredentials: the tokens are not for this service or this attempt;
        IdentityProviderUnavailable."""

    async def sign_out_url(self, return_to: str) -> str | None:
        """Returns the URL at which the provider ends its own session; None if it has none. Raises
        IdentityProviderUnavailable."""

    async def check(self) -> None:
        """Reads the provider's configuration. Raises IdentityProviderUnavailable."""

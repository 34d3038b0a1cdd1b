"""Signs people in: authorization code flow with PKCE, state and nonce (OpenID Connect Core, RFC 7636, RFC 9207).

authlib builds the requests and checks the claims that are specific to sign-in. The verifier of the API checks the
tokens, and decides what they grant.
"""

import asyncio
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import quote_plus

import msgspec
from authlib.common.urls import add_params_to_uri
from authlib.oauth2.auth import ClientAuth
from authlib.oauth2.client import OAuth2Client
from authlib.oauth2.rfc6749.parameters import prepare_token_request
from authlib.oidc.core import CodeIDToken
from joserfc.errors import JoseError

from adapters.identity_provider.discovery import Configuration, Discovery
from adapters.identity_provider.http import exchange
from adapters.identity_provider.verifier import LEEWAY, JwtVerifier, TokenRules
from application.ports.sign_in import SignInAttempt, SignInRefused
from application.ports.token_verifier import IdentityProviderUnavailable
from domain.access.credentials import InvalidCredentials
from domain.access.principal import Principal

MAX_CONCURRENT: Final = 20
"""Maximum number of concurrent code exchanges. Anyone can start one."""
_MAX_TEXT: Final = 200
_DOTS_OF_JWT: Final = 2
_OPAQUE: Final = (
    "the identity provider issues opaque access tokens to this service: its operator sets up the API with the audience "
    "%s (OPLEDGER_JWT_AUDIENCE) at the provider, so that access tokens are signed JWTs for it (docs/access.md)"
)
_FORM: Final = {"Content-Type": "application/x-www-form-urlencoded"}
_CLIENT_REFUSED: Final = frozenset(
    {"invalid_client", "unauthorized_client", "unsupported_grant_type", "invalid_request"}
)
"""Error codes that mean that this service is configured wrongly."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Client:
    """This service as the provider knows it."""

    id: str
    secret: str | None = field(repr=False)
    """None: a public client, whose code only PKCE protects."""
    scopes: str
    """Separated by blanks, `openid` among them."""


class _Tokens(msgspec.Struct, frozen=True):
    access_token: str
    id_token: str


class _Failure(msgspec.Struct, frozen=True):
    error: str
    error_description: str = ""


class OpenIdSignIn:
    """Signs people in at one provider."""

    def __init__(self, client: Client, rules: TokenRules, discovery: Discovery, verifier: JwtVerifier) -> None:
        """`verifier` decides about the access token, as for a request of the API."""
        self._client = client
        self._rules = rules
        self._discovery = discovery
        self._verifier = verifier
        self._exchanges = asyncio.Semaphore(MAX_CONCURRENT)

    @property
    def issuer(self) -> str:
        return self._rules.issuer

    async def authorization_url(self, attempt: SignInAttempt) -> str:
        configuration = await self._discovery.configuration()
        client = OAuth2Client(
            None,
            client_id=self._client.id,
            scope=self._client.scopes,
            redirect_uri=attempt.redirect_uri,
            code_challenge_method="S256",
        )
        url, _ = client.create_authorization_url(
            configuration.authorization_endpoint,
            state=attempt.state,
            code_verifier=attempt.code_verifier,
            nonce=attempt.nonce,
        )
        return str(url)

    async def finish(self, attempt: SignInAttempt, answer: Mapping[str, str]) -> Principal:
        configuration = await self._discovery.configuration()
        code = self._code(configuration, answer)
        if self._exchanges.locked():
            raise IdentityProviderUnavailable("too many sign-ins at the same time")
        async with self._exchanges:
            tokens = await self._tokens(configuration, attempt, code)
        await self._check_id_token(attempt, tokens)
        self._check_form(tokens.access_token)
        return await self._verifier.verify(tokens.access_token)

    async def sign_out_url(self, return_to: str) -> str | None:
        endpoint = (await self._discovery.configuration()).end_session_endpoint
        if endpoint is None:
            return None
        return str(
            add_params_to_uri(endpoint, [("client_id", self._client.id), ("post_logout_redirect_uri", return_to)])
        )

    async def check(self) -> None:
        await self._discovery.check()

    def _check_form(self, access_token: str) -> None:
        """Raises SignInRefused: only the provider can read the access token, so it has no claims to go by."""
        if access_token.count(".") != _DOTS_OF_JWT:
            _log.error(_OPAQUE, self._rules.audience)
            raise SignInRefused(_OPAQUE % self._rules.audience)

    def _code(self, configuration: Configuration, answer: Mapping[str, str]) -> str:
        """The authorization code. Raises SignInRefused: the response is another provider's, or has no code."""
        issuer = answer.get("iss")
        stated = configuration.authorization_response_iss_parameter_supported
        if issuer != self.issuer and (stated or issuer is not None):
            raise SignInRefused("the response is from another identity provider")
        if "error" in answer:
            reason = _printable(f"{answer['error']} {answer.get('error_description', '')}")
            raise SignInRefused(f"the identity provider refuses: {reason}")
        code = answer.get("code")
        if not code:
            raise SignInRefused("the response of the identity provider has no code")
        return code

    async def _tokens(self, configuration: Configuration, attempt: SignInAttempt, code: str) -> _Tokens:
        """Exchanges the code. Raises SignInRefused, IdentityProviderUnavailable."""
        url = configuration.token_endpoint
        body = prepare_token_request(
            "authorization_code", redirect_uri=attempt.redirect_uri, code=code, code_verifier=attempt.code_verifier
        )
        url, headers, body = self._authentication(configuration).prepare("POST", url, dict(_FORM), body)
        status, content = await exchange("POST", url, headers=headers, body=body)
        try:
            if status == 200:
                return msgspec.json.decode(content, type=_Tokens)
            failure = msgspec.json.decode(content, type=_Failure)
        except (msgspec.DecodeError, ValueError, RecursionError):
            raise IdentityProviderUnavailable(
                f"{configuration.token_endpoint} answers {status} without tokens"
            ) from None
        raise self._refusal(failure)

    def _authentication(self, configuration: Configuration) -> ClientAuth:
        """How this client authenticates. RFC 6749, 2.3.1: in Basic, id and secret are form-encoded."""
        supported = configuration.token_endpoint_auth_methods_supported
        if self._client.secret is None:
            return ClientAuth(self._client.id, None, "none")
        if "client_secret_basic" not in supported and "client_secret_post" in supported:
            return ClientAuth(self._client.id, self._client.secret, "client_secret_post")
        return ClientAuth(quote_plus(self._client.id), quote_plus(self._client.secret), "client_secret_basic")

    def _refusal(self, failure: _Failure) -> SignInRefused:
        reason = _printable(f"{failure.error} {failure.error_description}")
        if failure.error in _CLIENT_REFUSED:
            _log.error("the identity provider refuses this service as a client: %s", reason)
            return SignInRefused(
                f"the identity provider refuses this service ({reason}): its operator checks OPLEDGER_OIDC_CLIENT_ID, "
                "the client secret and the redirect URI"
            )
        if failure.error == "invalid_grant":
            return SignInRefused("the code of the identity provider was used before, or has expired")
        return SignInRefused(f"the identity provider refuses: {reason}")

    async def _check_id_token(self, attempt: SignInAttempt, tokens: _Tokens) -> None:
        """Raises InvalidCredentials: the ID token does not belong to this attempt, or not to this access token."""
        claims = await self._verifier.claims(tokens.id_token, self._client.id)
        expected = {"nonce": attempt.nonce, "client_id": self._client.id, "access_token": tokens.access_token}
        try:
            CodeIDToken(claims, {"alg": self._rules.algorithm}, params=expected).validate(leeway=LEEWAY)
        except JoseError as error:
            raise InvalidCredentials(f"the ID token does not belong to this sign-in: {error.description}") from None
        except (ValueError, TypeError, AttributeError):
            raise InvalidCredentials("the ID token cannot be read") from None


def _printable(text: str) -> str:
    """The provider's text in one short line, without control characters."""
    return "".join(each if each.isprintable() else " " for each in text[:_MAX_TEXT]).strip()

"""A small OpenID provider on loopback: discovery, keys, authorization with PKCE, tokens, and sign-out.

It checks what a strict provider checks. Tests change what it says, to see that its lies are noticed.
"""

import base64
import hashlib
import itertools
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qsl, quote_plus, urlencode

from litestar import Litestar, MediaType, Request, Response, get, post

from entrypoints.http.server.slow_readers import HttpServerProtocol
from tests.support.http.identity_provider import RULES, IdentityProvider
from tests.support.http.served import served

CLIENT_ID = "dashboard:of the ledger"
CLIENT_SECRET = "s3cret+/%&of the client"


@dataclass
class OpenIdProvider:
    """The provider, at the URL that it is served under. A value of None leaves a claim or field out."""

    port: int
    tokens: IdentityProvider = field(default_factory=IdentityProvider)
    scope: str = "read cancel"
    id_claims: dict[str, Any] = field(default_factory=dict)
    """Claims of ID tokens in place of the right ones."""
    access_claims: dict[str, Any] = field(default_factory=dict)
    published: dict[str, Any] = field(default_factory=dict)
    """Fields of the configuration in place of the right ones."""
    answered: dict[str, Any] = field(default_factory=dict)
    """Parameters with which browsers come back, in place of the right ones."""
    given: dict[str, Any] = field(default_factory=dict)
    """Fields of the answers of the token endpoint, in place of the right ones."""
    secret: str | None = CLIENT_SECRET
    interactive: bool = False
    """Whether a person has to press a button."""
    requests: list[str] = field(default_factory=list)
    """Paths of the requests."""

    def __post_init__(self) -> None:
        self._codes: dict[str, dict[str, str]] = {}
        self._numbers = itertools.count(1)

    @property
    def issuer(self) -> str:
        """Its URL."""
        return f"http://127.0.0.1:{self.port}/realm"

    def configuration(self) -> dict[str, Any]:
        """What discovery returns."""
        return _replaced(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize?realm=1",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/jwks",
                "end_session_endpoint": f"{self.issuer}/leave",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "code_challenge_methods_supported": ["S256"],
                "authorization_response_iss_parameter_supported": True,
            },
            self.published,
        )

    def authorize(self, asked: dict[str, str]) -> str:
        """The URL to which the browser is sent back, with a code."""
        assert asked["response_type"] == "code"
        assert asked["client_id"] == CLIENT_ID
        assert asked["redirect_uri"].endswith("/sign-in/callback")
        assert "openid" in asked["scope"].split()
        assert asked["code_challenge_method"] == "S256"
        assert len(asked["code_challenge"]) == 43
        assert min(len(asked["state"]), len(asked["nonce"])) >= 43
        code = f"code {next(self._numbers)}"
        self._codes[code] = asked
        answer = {"code": code, "state": asked["state"], "iss": self.issuer, "session_state": "of the provider"}
        return f"{asked['redirect_uri']}?{urlencode(_replaced(answer, self.answered))}"

    def exchange(self, authorization: str | None, form: dict[str, str]) -> dict[str, Any] | str:
        """The tokens for a code, or the code of an error. A code counts once."""
        if self.secret is not None and authorization != _basic(self.secret):
            return "invalid_client"
        if self.secret is None and (authorization is not None or form["client_id"] != CLIENT_ID):
            return "invalid_client"
        asked = self._codes.pop(form["code"], None)
        digest = hashlib.sha256(form["code_verifier"].encode()).digest()
        if asked is None or asked["code_challenge"] != _text(digest) or form["redirect_uri"] != asked["redirect_uri"]:
            return "invalid_grant"
        assert form["grant_type"] == "authorization_code"
        access = self.tokens.token(**{"iss": self.issuer, "sub": "alice", "scope": self.scope, **self.access_claims})
        claims = {
            "iss": self.issuer,
            "aud": CLIENT_ID,
            "sub": "alice",
            "tenant": None,
            "scope": None,
            "nonce": asked["nonce"],
            "at_hash": _text(hashlib.sha256(access.encode()).digest()[:16]),
        }
        id_token = self.tokens.token(**{**claims, **self.id_claims})
        return _replaced({"access_token": access, "id_token": id_token, "token_type": "Bearer"}, self.given)

    def app(self) -> Litestar:
        """The provider as an application."""

        def seen(request: Request[Any, Any, Any]) -> None:
            self.requests.append(request.url.path)

        @get("/realm/.well-known/openid-configuration")
        async def discovery() -> dict[str, Any]:
            return self.configuration()

        @get("/realm/jwks", media_type=MediaType.JSON)
        async def keys() -> bytes:
            return self.tokens.key_set()

        @get("/realm/authorize")
        async def authorize(request: Request[Any, Any, Any]) -> Response[Any]:
            asked = dict(parse_qsl(request.url.query))
            assert asked.pop("realm") == "1"
            back = self.authorize(asked)
            if not self.interactive:
                return Response(None, status_code=302, headers={"Location": back})
            link = f'<a href="{back.replace("&", "&amp;")}">Continue as alice</a>'
            page = f'<!doctype html><html lang="en"><title>Provider</title><link rel="icon" href="data:,">{link}'
            return Response(page, media_type=MediaType.HTML)

        @post("/realm/token", status_code=200)
        async def token(request: Request[Any, Any, Any]) -> Response[Any]:
            form = dict(parse_qsl((await request.body()).decode()))
            made = self.exchange(request.headers.get("authorization"), form)
            return Response({"error": made}, status_code=400) if isinstance(made, str) else Response(made)

        @get("/realm/leave")
        async def leave(request: Request[Any, Any, Any]) -> Response[Any]:
            asked = dict(parse_qsl(request.url.query))
            assert asked["client_id"] == CLIENT_ID
            return Response(None, status_code=302, headers={"Location": asked["post_logout_redirect_uri"]})

        return Litestar(
            [discovery, keys, authorize, token, leave], before_request=seen, openapi_config=None, logging_config=None
        )


@asynccontextmanager
async def openid_provider() -> AsyncIterator[OpenIdProvider]:
    """A provider that is served until the block ends."""
    holder = OpenIdProvider(0)
    async with served(holder.app(), HttpServerProtocol) as holder.port:
        yield holder


def openid_settings(provider: OpenIdProvider) -> dict[str, Any]:
    """The settings of a service that uses it."""
    return {
        "access": "jwt",
        "jwt_issuer": provider.issuer,
        "jwt_audience": RULES.audience,
        "jwt_jwks": f"{provider.issuer}/jwks",
        "oidc_client_id": CLIENT_ID,
        "oidc_client_secret": provider.secret,
        "oidc_scopes": "openid read",
    }


def _replaced(right: dict[str, Any], other: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in {**right, **other}.items() if value is not None}


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def _basic(secret: str) -> str:
    """The header with which the client proves itself (RFC 6749, 2.3.1)."""
    text = f"{quote_plus(CLIENT_ID)}:{quote_plus(secret)}"
    return "Basic " + base64.b64encode(text.encode()).decode()

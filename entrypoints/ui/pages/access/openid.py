"""Pages: sign in and out at the identity provider (OpenID Connect)."""

import logging
import secrets
from collections import Counter
from collections.abc import Mapping
from typing import Any, Final

from litestar import Controller, Response, get
from litestar.exceptions import NotFoundException

from application.ports.sign_in import SignInProvider, SignInRefused
from application.ports.token_verifier import IdentityProviderUnavailable
from domain.access.credentials import InvalidCredentials
from entrypoints.http.security.authorization import PUBLIC
from entrypoints.ui.pages.access.sign_in import Next, sign_in_page
from entrypoints.ui.rendering.page import HEADERS, local_path, redirect
from entrypoints.ui.request import ANY_QUERY, UiRequest
from entrypoints.ui.security.attempts import SignInAttempts
from entrypoints.ui.security.audit import AUDITED, set_actor, set_detail

CALLBACK: Final = "/sign-in/callback"
"""Path of the redirect URI that is registered at the provider."""
_UNAVAILABLE: Final = (
    "The identity provider cannot be reached, or its answers cannot be used. Try again in a moment. The log of the "
    "service has the cause, and `opledger doctor` checks the provider"
)
_log = logging.getLogger(__name__)


class OpenIdController(Controller):
    """Sends browsers to the provider, and starts sessions when they come back."""

    opt = {"scope": PUBLIC}  # noqa: RUF012

    @get("/sign-in/openid")
    async def start(self, request: UiRequest, then: Next = None) -> Response[Any]:
        """Redirects to the provider. A link leads here, not a form: the policy of the pages (`form-action`) forbids
        forms that end at another origin."""
        provider, attempts = _provider(request), request.parts.attempts
        state, wanted = secrets.token_bytes(32), local_path(then or "/")
        attempt, cookie = attempts.start(request.scope, state, _redirect_uri(request), wanted)
        try:
            url = await provider.authorization_url(attempt)
        except IdentityProviderUnavailable as error:
            return _unavailable(request, error, wanted)
        response = _to_provider(url)
        response.set_cookie(cookie)
        return response

    @get(CALLBACK, opt={ANY_QUERY: True, AUDITED: True})
    async def finish(self, request: UiRequest) -> Response[Any]:
        """Starts a session of the person, which ends with the token. Ignores further parameters of the provider."""
        provider, answer = _provider(request), _single(request)
        try:
            attempt, then = request.parts.attempts.find(request.scope, answer.get("state"), _redirect_uri(request))
        except SignInRefused as error:
            return _refused(request, error, "/")  # keeps the cookie: a link of another site must not end an attempt
        try:
            principal = await provider.finish(attempt, answer)
            session = request.parts.sessions.start(request.scope, principal, provider.issuer)
        except (SignInRefused, InvalidCredentials) as error:
            response = _refused(request, error, then)
        except IdentityProviderUnavailable as error:
            response = _unavailable(request, error, then)
        else:
            set_actor(request.scope, principal)
            response = redirect(request, then)
            response.set_cookie(session)
        response.set_cookie(SignInAttempts.end(request.scope))
        return response

    @get("/sign-out/openid")
    async def leave(self, request: UiRequest) -> Response[Any]:
        """Redirects to the page on which the provider ends its own session, if it has one. Without that the next
        sign-in asks for no password."""
        provider = _provider(request)
        try:
            url = await provider.sign_out_url(_own_url(request, "/sign-in"))
        except IdentityProviderUnavailable as error:
            return _unavailable(request, error, "/")
        if url is None:
            return sign_in_page(request, "/", error=f"{provider.issuer} has no page to sign out: close the browser")
        return _to_provider(url)


def _provider(request: UiRequest) -> SignInProvider:
    """Raises NotFoundException: no provider is configured."""
    if request.parts.sign_in is None:
        raise NotFoundException
    return request.parts.sign_in


def _single(request: UiRequest) -> Mapping[str, str]:
    """The parameters that occur once: repeated ones are not valid (RFC 6749, 3.1)."""
    given = request.parameters
    times = Counter(name for name, _ in given)
    return {name: value for name, value in given if times[name] == 1}


def _redirect_uri(request: UiRequest) -> str:
    return _own_url(request, CALLBACK)


def _own_url(request: UiRequest, path: str) -> str:
    return request.public_base + path


def _to_provider(url: str) -> Response[Any]:
    return Response(None, status_code=303, headers={"Location": url, **HEADERS, "Referrer-Policy": "no-referrer"})


def _refused(request: UiRequest, error: Exception, then: str) -> Response[Any]:
    set_detail(request.scope, str(error))
    return sign_in_page(request, then, status=401, error=str(error))


def _unavailable(request: UiRequest, error: Exception, then: str) -> Response[Any]:
    _log.warning("cannot sign people in: %s", error)
    return sign_in_page(request, then, status=503, error=_UNAVAILABLE)

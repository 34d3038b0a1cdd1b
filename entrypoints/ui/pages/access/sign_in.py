"""Pages: sign in with an API key, and sign out."""

from typing import Annotated, Any
from urllib.parse import urlsplit

from litestar import Controller, Response, get, post
from litestar.params import QueryParameter

from domain.access.api_key import prefix_of
from domain.access.credentials import InvalidCredentials
from entrypoints.http.security.authorization import PUBLIC
from entrypoints.ui.rendering.page import local_path, redirect, render
from entrypoints.ui.request import UiRequest
from entrypoints.ui.security.audit import set_actor

Next = Annotated[str | None, QueryParameter(name="next")]


class SignInController(Controller):
    """Starts and ends sessions."""

    opt = {"scope": PUBLIC}  # noqa: RUF012

    @get("/sign-in")
    async def form(self, request: UiRequest, then: Next = None) -> Response[Any]:
        """Shows the ways to sign in. Without access control, redirects to the first page."""
        if not request.access.controlled:
            return redirect(request, "/")
        return sign_in_page(request, local_path(then or "/"))

    @post("/sign-in", status_code=303)
    async def sign_in(self, request: UiRequest) -> Response[Any]:
        """Starts a session of the key, and redirects to the requested page."""
        then = local_path(request.fields.get("next", "/"))
        key = request.fields.get("key", "").strip()
        try:
            principal = await request.access.principal([f"Bearer {_api_key(key)}"])
        except InvalidCredentials as error:
            return sign_in_page(request, then, status=401, error=str(error))
        set_actor(request.scope, principal)
        response = redirect(request, then)
        response.set_cookie(request.parts.sessions.start(request.scope, principal))
        return response

    @post("/sign-out", status_code=303)
    async def sign_out(self, request: UiRequest) -> Response[None]:
        """Ends the session in this browser."""
        set_actor(request.scope, request.parts.sessions.claimed(request.scope))
        response = redirect(request, "/sign-in")
        response.set_cookie(request.parts.sessions.end(request.scope))
        return response


def sign_in_page(request: UiRequest, then: str, *, status: int = 200, error: str | None = None) -> Response[Any]:
    """The page with the ways to sign in. `then`: the page to return to."""
    provider = request.parts.sign_in
    return render(
        request,
        "pages/sign_in.html",
        status=status,
        then=then,
        error=error,
        by_key=request.services.keys is not None,
        provider=None if provider is None else urlsplit(provider.issuer).netloc,
    )


def _api_key(text: str) -> str:
    """The text, if it has the form of a key. Raises InvalidCredentials, also for a token: it is not accepted here."""
    prefix_of(text)
    return text

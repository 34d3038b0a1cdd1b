"""Page: an error, and what to do next."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from http import HTTPStatus
from typing import Any, Final
from urllib.parse import quote

from litestar import Request, Response
from litestar.exceptions import MethodNotAllowedException, NotFoundException

from domain.access.credentials import InvalidCredentials
from domain.access.principal import Principal
from entrypoints.http.problems.kinds import Kind, problem_body, problem_headers
from entrypoints.http.problems.problems import clip_text
from entrypoints.http.requests.listing.list_parameters import ID_PREFIX
from entrypoints.http.responses.errors import classified
from entrypoints.http.responses.sse import MEDIA_TYPE
from entrypoints.http.security.authentication import ANYONE
from entrypoints.http.security.origin_check import SAFE_METHODS
from entrypoints.ui.rendering.navigation import SECTIONS
from entrypoints.ui.rendering.page import HEADERS, redirect, render
from entrypoints.ui.request import UiRequest
from entrypoints.ui.security.audit import set_detail, set_refusal
from entrypoints.ui.security.form_tokens import FormRefused

_NEXT: Final = {
    403: "Sign in with a credential that has the scope, or ask an operator of the ledger for one.",
    404: "It may have been deleted, or belong to another tenant.",
    405: "Forms send to this address. Open their page, and use the form.",
    429: "Wait a moment, then load the page again.",
    503: "The service cannot answer at the moment. Load the page again in a few seconds.",
}
_OUT_OF_DATE: Final = Kind(403, "form-out-of-date", "Form out of date")
_RELOAD: Final = "Go back, load the page again, and repeat the action."
_LOST: Final = "Check the address, or go on from here."
_PATHS: Final = {section.path: section.name for section in SECTIONS}
_UNROUTED: Final = (NotFoundException, MethodNotAllowedException)
"""Errors of requests that no handler takes. Their credentials are not checked."""
_OPERATION: Final = re.compile(r"/operations?/([^/]+)/?")


@dataclass(frozen=True, slots=True)
class _NextStep:
    """What the page proposes."""

    hint: str | None
    links: Mapping[str, str]
    """Paths by label, the best first."""


def error_page(failed: Request[Any, Any, Any], error: Exception) -> Response[Any]:
    """The page for an exception. Without valid credentials, the browser goes to the page for signing in; after a form,
    it stays on a page from which it can send the form again."""
    request = UiRequest(failed.scope)  # Litestar passes one of the application's class
    kind, error = classified(request, error) if not isinstance(error, FormRefused) else (_OUT_OF_DATE, error)
    streams = MEDIA_TYPE in request.headers.get("accept", "")
    if isinstance(error, InvalidCredentials) and request.access.controlled and not streams:
        if _comes_from_elsewhere(request):
            return render(request, "pages/again.html")
        set_detail(request.scope, "refused: no valid session")
        if request.method in SAFE_METHODS:
            return redirect(request, _sign_in(request))
        page = render(request, "pages/signed_out.html", status=kind.status, sign_in=_sign_in(request))
        page.headers.update(problem_headers(kind, error))
        return page
    if kind.status == HTTPStatus.FORBIDDEN:
        set_refusal(request.scope, kind)
    if isinstance(error, _UNROUTED) and request.principal is None:
        failed.scope["user"] = _claimed(request)
    if isinstance(error, NotFoundException):
        kind = Kind(404, kind.slug, "There is no such page", f"No page has the address {clip_text(request.here)}")
    page = render(
        request,
        "pages/error.html",
        status=kind.status,
        problem=problem_body(kind, error),
        step=_next_step(request, kind, error),
    )
    page.headers.update(problem_headers(kind, error) | HEADERS)
    return page


def _next_step(request: UiRequest, kind: Kind, error: Exception) -> _NextStep:
    lists = {"Now": "/", "Operations": "/operations"}
    if isinstance(error, _UNROUTED) and request.principal is None and "authorization" not in request.headers:
        lists["Sign in"] = "/sign-in"
    if isinstance(error, NotFoundException):
        return _instead(request.scope["path"], lists)
    hint = _RELOAD if isinstance(error, FormRefused) else _NEXT.get(kind.status)
    if kind.status == 404:
        return _NextStep(hint, {"Operations": "/operations"})
    if kind.status == 405:
        return _NextStep(hint, {"Open the page": request.page_of_form, **lists})
    return _NextStep(hint, {"Load again" if request.method == "GET" else "Back": request.here, **lists})


def _instead(path: str, lists: Mapping[str, str]) -> _NextStep:
    """What a mistyped address may have meant: a part of an id, or the name of a page."""
    operation = _OPERATION.fullmatch(path)
    if operation is not None and re.fullmatch(ID_PREFIX, operation[1]):
        found = f"/operations?id_prefix={operation[1]}"
        return _NextStep("The address of an operation has its whole id.", {f"Find {operation[1]}…": found, **lists})
    close = get_close_matches(path[:100].lower(), _PATHS, n=1)
    if close and close != ["/"]:
        return _NextStep("It may be this one:", {_PATHS[close[0]]: close[0], **lists})
    return _NextStep(_LOST, lists)


def _claimed(request: UiRequest) -> Principal | None:
    """The caller that the session names, for the navigation only: its credential may be revoked."""
    return request.parts.sessions.claimed(request.scope) if request.access.controlled else ANYONE


def _comes_from_elsewhere(request: UiRequest) -> bool:
    """Whether the browser followed a link of another site. It then sends no cookie that is SameSite=Strict, but does
    when a page of this site repeats the request."""
    return request.method == "GET" and request.headers.get("sec-fetch-site") == "cross-site"


def _sign_in(request: UiRequest) -> str:
    return "/sign-in" if request.here == "/" else f"/sign-in?next={quote(request.here, safe='')}"

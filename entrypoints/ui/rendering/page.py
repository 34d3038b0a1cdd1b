"""Renders a page with what all pages have: navigation, caller, theme, and the form token."""

from functools import partial
from typing import Any, Final
from urllib.parse import quote

from litestar import Response
from litestar.enums import MediaType

from domain.access.principal import Principal
from domain.access.scope import Scope
from entrypoints.ui.rendering.environment import environment
from entrypoints.ui.rendering.navigation import SECTIONS, Section
from entrypoints.ui.rendering.static_files import static_files
from entrypoints.ui.rendering.theme import THEMES, theme_of
from entrypoints.ui.request import UiRequest

_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "Content-Security-Policy": _POLICY,
    # Browsers send a form's Origin as null under no-referrer.
    "Referrer-Policy": "same-origin",
    "X-Frame-Options": "DENY",
}
"""Headers of every page. The middleware adds `nosniff` and `no-store`."""


def render(request: UiRequest, template: str, *, status: int = 200, **context: Any) -> Response[str]:
    """The page that a template makes of the values. Templates also know `page`, `url` and `now`."""
    html = (
        environment().get_template(template).render(page=_page(request), url=request.link, now=request.now, **context)
    )
    return Response(html, status_code=status, media_type=MediaType.HTML, headers=HEADERS)


def _page(request: UiRequest) -> dict[str, Any]:
    """What the base template knows of a request, as `page`."""
    principal, tokens = request.principal, request.parts.form_tokens
    return {
        "url": request.link,
        "static": lambda name: request.link(f"/static/{static_files()[name].served_as}"),
        "can": partial(can, principal),
        "current": partial(_current, request.scope["path"]),
        "here": request.here,
        "sections": [each for each in SECTIONS if can(principal, Scope.READ) and can(principal, each.scope)],
        "theme": theme_of(request.scope),
        "themes": THEMES,
        "principal": principal,
        "controlled": request.access.controlled,
        "form_token": tokens.issue(principal),  # of forms that change operations
        "public_form_token": tokens.issue(None),  # of forms that need no credentials
    }


def can(principal: Principal | None, scope: Scope | str) -> bool:
    """Whether the caller has the scope."""
    held = frozenset() if principal is None else principal.scopes
    return Scope(scope) in held or Scope.ADMIN in held


def _current(path: str, section: Section) -> bool:
    """Whether the page belongs to the section."""
    return path == section.path or (section.path != "/" and path.startswith(f"{section.path}/"))


def redirect(request: UiRequest, path: str) -> Response[None]:
    """Sends the browser to a page, with a GET."""
    return Response(None, status_code=303, headers={"Location": request.link(path), **HEADERS})


def local_path(text: str) -> str:
    """The path and query to which a form returns; "/" if the text is not a path of this server."""
    local = text.startswith("/") and not text.startswith("//") and "\\" not in text and text.isprintable()
    return quote(text, safe="/?&=%+:,;@!$'()*~-._") if local else "/"

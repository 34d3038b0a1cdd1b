"""Action: choose the theme."""

from litestar import Controller, Response, post

from entrypoints.http.security.authorization import PUBLIC
from entrypoints.ui.rendering.page import local_path, redirect
from entrypoints.ui.rendering.theme import THEMES, theme_cookie
from entrypoints.ui.request import UiRequest
from entrypoints.ui.security.audit import AUDITED


class ThemeController(Controller):
    """The switch of the theme."""

    opt = {"scope": PUBLIC, AUDITED: False}  # noqa: RUF012

    @post("/theme", status_code=303)
    async def choose(self, request: UiRequest) -> Response[None]:
        """Remembers the theme and returns to the page."""
        response = redirect(request, local_path(request.fields.get("next", "/")))
        theme = request.fields.get("theme")
        if theme in THEMES:
            response.set_cookie(theme_cookie(request.scope, theme))
        return response

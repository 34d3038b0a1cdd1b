"""The theme: light, dark, or as the system has it. A cookie remembers it, so that it needs no script."""

from typing import Final

from litestar.datastructures import Cookie
from litestar.types import HTTPScope

from entrypoints.ui.security.cookies import cookie_values, private_cookie

THEMES: Final = ("system", "light", "dark")
COOKIE: Final = "opledger_theme"
_MAX_AGE: Final = 365 * 24 * 60 * 60
"""Seconds."""


def theme_of(scope: HTTPScope) -> str:
    """The theme that the browser has chosen; "system" if there is none."""
    return next((theme for theme in cookie_values(scope, COOKIE) if theme in THEMES), THEMES[0])


def theme_cookie(scope: HTTPScope, theme: str) -> Cookie:
    """The cookie that remembers a theme."""
    return private_cookie(scope, COOKIE, theme, max_age=_MAX_AGE, same_site="lax")

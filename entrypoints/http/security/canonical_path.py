"""Allows one spelling of each path; any other spelling is 404.

A proxy matches its rules against the path as the client sent it. The router also accepts repeated and trailing slashes,
percent-encoded letters and other spellings of a UUID, which would bypass those rules.
"""

import re
from typing import Final
from urllib.parse import quote
from uuid import UUID

from litestar import Litestar
from litestar.routes import BaseRoute
from litestar.types import Scope

_PARAMETERS: Final = {
    UUID: "[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
    str: "[A-Za-z0-9_~-][A-Za-z0-9._~-]*",
}


class CanonicalPaths:
    """The path patterns of an application's routes."""

    def __init__(self, app: Litestar) -> None:
        """Raises ValueError for a path parameter that is neither a UUID nor a name."""
        self._app = app
        self._compile()

    def has(self, scope: Scope) -> bool:
        """Whether the request's path, without the root path, matches a route exactly."""
        if len(self._app.routes) != self._count:
            self._compile()
        raw = scope.get("raw_path") or quote(scope["path"]).encode()
        return self._pattern.fullmatch(raw.removeprefix(scope.get("root_path", "").encode())) is not None

    def _compile(self) -> None:
        self._count = len(self._app.routes)
        self._pattern = re.compile("|".join(map(path_pattern, self._app.routes)).encode())


def path_pattern(route: BaseRoute) -> str:
    """A regular expression for the paths of a route. Raises ValueError as `CanonicalPaths` does."""
    parts = []
    for part in route.path_components:
        if isinstance(part, str):
            parts.append(re.escape(part))
        elif part.type in _PARAMETERS:
            parts.append(_PARAMETERS[part.type])
        else:
            raise ValueError(f"{route.path}: a path parameter must be a UUID or a name, not {part.type.__name__}")
    return "/" + "/".join(parts)

"""One spelling for each path.

A proxy compares the path as the client wrote it. The router also takes repeated and trailing slashes, percent-encoded
letters and other spellings of a UUID, so that a rule of the proxy would miss them. Here they are all 404.
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
    """The paths of an application's routes, as they are registered."""

    def __init__(self, app: Litestar) -> None:
        """Raises ValueError for a route whose parameter has no canonical spelling."""
        self._app = app
        self._compile()

    def has(self, scope: Scope) -> bool:
        """Whether the request's path is spelled as one of them, apart from the prefix under which the application is
        served."""
        if len(self._app.routes) != self._count:
            self._compile()
        raw = scope.get("raw_path") or quote(scope["path"]).encode()
        return self._pattern.fullmatch(raw.removeprefix(scope.get("root_path", "").encode())) is not None

    def _compile(self) -> None:
        self._count = len(self._app.routes)
        self._pattern = re.compile("|".join(map(path_pattern, self._app.routes)).encode())


def path_pattern(route: BaseRoute) -> str:
    parts = []
    for part in route.path_components:
        if isinstance(part, str):
            parts.append(re.escape(part))
        elif part.type in _PARAMETERS:
            parts.append(_PARAMETERS[part.type])
        else:
            raise ValueError(f"{route.path}: a path parameter is a UUID or a name, not {part.type.__name__}")
    return "/" + "/".join(parts)

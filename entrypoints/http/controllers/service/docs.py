"""Routes: the OpenAPI document, and Swagger UI from local files."""

import hashlib
from functools import cache
from pathlib import Path
from typing import Any, Final

from litestar import Controller, Request, Response, get
from litestar.enums import MediaType
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from entrypoints.http.openapi.document import document
from entrypoints.http.requests.conditional import matches
from entrypoints.http.requests.parameters import IF_NONE_MATCH
from entrypoints.http.security.authorization import PUBLIC
from entrypoints.http.security.forwarded import base_path

STATIC: Final = Path(__file__).parents[2] / "static"
ASSETS: Final = {
    "swagger-ui.css": ("swagger-ui/swagger-ui.css", "text/css"),
    "swagger-ui-bundle.js": ("swagger-ui/swagger-ui-bundle.js", "text/javascript"),
    "favicon-32x32.png": ("swagger-ui/favicon-32x32.png", "image/png"),
    "initializer.js": ("docs/initializer.js", "text/javascript"),
}
_POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


class DocsController(Controller):
    """The document, the page and its assets. The page loads nothing from other hosts."""

    include_in_schema = False
    opt = {"scope": PUBLIC}  # noqa: RUF012

    @get("/openapi.json")
    async def openapi(self, request: Request[Any, Any, Any]) -> Response[bytes]:
        """The OpenAPI 3.1 document."""
        return Response(document(request.app, base_path(request.scope)), media_type=MediaType.JSON)

    @get("/docs")
    async def page(self) -> Response[bytes]:
        """The page of Swagger UI."""
        headers = {"Content-Security-Policy": _POLICY}
        return Response(_file("docs/index.html")[0], media_type=MediaType.HTML, headers=headers)

    @get("/docs/{name:str}")
    async def asset(self, request: Request[Any, Any, Any], name: FromPath[str]) -> Response[bytes | None]:
        """A file of Swagger UI."""
        if name not in ASSETS:
            raise NotFoundException
        path, media_type = ASSETS[name]
        content, tag = _file(path)
        headers = {"ETag": tag, "Cache-Control": "public, no-cache"}
        if matches(IF_NONE_MATCH.values(request), tag):
            return Response(None, status_code=304, headers=headers)
        return Response(content, media_type=media_type, headers=headers)


@cache
def _file(path: str) -> tuple[bytes, str]:
    content = (STATIC / path).read_bytes()
    return content, f'"{hashlib.sha256(content).hexdigest()[:32]}"'

"""Route: static files."""

from typing import Final

from litestar import Controller, Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from entrypoints.http.security.authorization import PUBLIC
from entrypoints.ui.rendering.static_files import by_served_name

_FOR_EVER: Final = {"Cache-Control": "public, max-age=31536000, immutable"}


class StaticController(Controller):
    """Style sheets, scripts and the icon. Nothing is loaded from other hosts."""

    opt = {"scope": PUBLIC}  # noqa: RUF012

    @get("/static/{name:str}")
    async def file(self, name: FromPath[str]) -> Response[bytes]:
        """A file under its hashed name. An old name is 404: its content is gone."""
        found = by_served_name().get(name)
        if found is None:
            raise NotFoundException
        return Response(found.content, media_type=found.media_type, headers=_FOR_EVER)

"""Route: static files."""

from typing import Final

from litestar import Controller, Response, get
from litestar.exceptions import NotFoundException
from litestar.params import FromPath

from entrypoints.http.security.authorization import PUBLIC
from entrypoints.ui.rendering.static_files import by_served_name
from entrypoints.ui.request import UiRequest

_HEADERS: Final = {"Cache-Control": "public, max-age=31536000, immutable", "Vary": "Accept-Encoding"}


class StaticController(Controller):
    """Style sheets, scripts and the icon. Nothing is loaded from other hosts.

    Only these are compressed. Pages have a form token beside what the address contains; compressed, their size would
    tell the token by and by (BREACH)."""

    opt = {"scope": PUBLIC}  # noqa: RUF012

    @get("/static/{name:str}")
    async def file(self, request: UiRequest, name: FromPath[str]) -> Response[bytes]:
        """A file under its hashed name. An old name is 404: its content is gone."""
        found = by_served_name().get(name)
        if found is None:
            raise NotFoundException
        if _takes_gzip(request.headers.get("accept-encoding", "")):
            headers = _HEADERS | {"Content-Encoding": "gzip"}
            return Response(found.compressed, media_type=found.media_type, headers=headers)
        return Response(found.content, media_type=found.media_type, headers=_HEADERS)


def _takes_gzip(accepted: str) -> bool:
    """Whether a header Accept-Encoding allows gzip, by name or by `*`, with a weight above 0."""
    weights = {}
    for each in accepted.lower().split(","):
        coding, _, weight = each.replace(" ", "").partition(";q=")
        weights[coding] = weight.strip("0.") != "" if weight else True
    return weights.get("gzip", weights.get("*", False))

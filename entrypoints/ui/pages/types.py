"""Pages: the operation types, and one of them."""

from typing import Annotated

from litestar import Controller, Response, get
from litestar.params import QueryParameter
from litestar.response import Stream

from domain.access.scope import Scope
from domain.operation.operation_type import MAX_TYPE
from domain.throughput import Window
from entrypoints.http.responses.sse import MEDIA_TYPE
from entrypoints.ui.pages.live.responses import WindowChoice, live_path, page_of, stream_of
from entrypoints.ui.rendering.page import can
from entrypoints.ui.request import UiRequest
from entrypoints.ui.views.types import TypesView, TypeView

Name = Annotated[str, QueryParameter(name="name", min_length=1, max_length=MAX_TYPE)]


class TypesController(Controller):
    """Lists the types, and shows the numbers and charts of one."""

    opt = {"scope": Scope.READ}  # noqa: RUF012

    @get("/types")
    async def types(self, request: UiRequest) -> Response[str]:
        """Declared types, and others of which the ledger has operations."""
        return await page_of(request, _types(request), "pages/types.html", live="/live/types")

    @get("/live/types", media_type=MEDIA_TYPE)
    async def types_stream(self, request: UiRequest) -> Stream:
        """The table, as it changes."""
        return await stream_of(request, _types(request))

    @get("/types/one")
    async def type(self, request: UiRequest, name: Name, window: WindowChoice = Window.DAY) -> Response[str]:
        """A type: charts, durations, settings and schema. Its name is a parameter, which may have any character."""
        view = TypeView(request.user.tenant, request.link(""), name, window)
        return await page_of(request, view, "pages/type.html", live=live_path(request, "/live/types/one"))

    @get("/live/types/one", media_type=MEDIA_TYPE)
    async def type_stream(self, request: UiRequest, name: Name, window: WindowChoice = Window.DAY) -> Stream:
        """Its numbers and charts, as they change."""
        return await stream_of(request, TypeView(request.user.tenant, request.link(""), name, window))


def _types(request: UiRequest) -> TypesView:
    return TypesView(request.user.tenant, request.link(""), submits=can(request.principal, Scope.SUBMIT))

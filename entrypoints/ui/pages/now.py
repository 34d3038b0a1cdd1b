"""Page: the current state of the ledger, and what needs attention."""

from litestar import Controller, Response, get
from litestar.response import Stream

from domain.access.scope import Scope
from domain.throughput import Window
from entrypoints.http.requests.listing.list_parameters import TypeName
from entrypoints.http.responses.sse import MEDIA_TYPE
from entrypoints.ui.pages.live.responses import WindowChoice, live_path, page_of, stream_of
from entrypoints.ui.request import UiRequest
from entrypoints.ui.views.now import NowView


class NowController(Controller):
    """The first page."""

    opt = {"scope": Scope.READ}  # noqa: RUF012

    @get("/")
    async def now(
        self, request: UiRequest, window: WindowChoice = Window.HOUR, type_name: TypeName = None
    ) -> Response[str]:
        """Attention, numbers, failures, charts and health."""
        view = NowView(request.user.tenant, request.link(""), window, type_name)
        return await page_of(request, view, "pages/now.html", live=live_path(request, "/live/now"))

    @get("/live/now", media_type=MEDIA_TYPE)
    async def stream(
        self, request: UiRequest, window: WindowChoice = Window.HOUR, type_name: TypeName = None
    ) -> Stream:
        """Its parts, as they change."""
        return await stream_of(request, NowView(request.user.tenant, request.link(""), window, type_name))

"""Page: health of the service."""

from litestar import Controller, Response, get
from litestar.response import Stream

from domain.access.scope import Scope
from entrypoints.http.responses.sse import MEDIA_TYPE
from entrypoints.ui.pages.live.responses import page_of, stream_of
from entrypoints.ui.request import UiRequest
from entrypoints.ui.views.health import HealthView


class HealthController(Controller):
    """Each part of the service, and what to run where one does not work."""

    opt = {"scope": Scope.READ}  # noqa: RUF012

    @get("/health")
    async def health(self, request: UiRequest) -> Response[str]:
        """Shows the errors of checks to callers with the scope admin only: they may name hosts."""
        return await page_of(request, _view(request), "pages/health.html", live="/live/health")

    @get("/live/health", media_type=MEDIA_TYPE)
    async def stream(self, request: UiRequest) -> Stream:
        """Its parts, as they change."""
        return await stream_of(request, _view(request))


def _view(request: UiRequest) -> HealthView:
    return HealthView(request.user.tenant, request.link(""), errors=Scope.ADMIN in request.user.scopes)

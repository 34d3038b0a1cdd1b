"""Route: metrics for Prometheus."""

from litestar import Controller, Response, get

from entrypoints.http.requests.api_request import ApiRequest
from entrypoints.http.security.authorization import PUBLIC
from entrypoints.scrape import MEDIA_TYPE


class MetricsController(Controller):
    """The metrics page."""

    include_in_schema = False
    opt = {"scope": PUBLIC}  # noqa: RUF012

    @get("/metrics")
    async def page(self, request: ApiRequest) -> Response[bytes]:
        """The metrics of this process, and the drift if the database is available."""
        return Response(await request.services.metrics_page.read(), media_type=MEDIA_TYPE)

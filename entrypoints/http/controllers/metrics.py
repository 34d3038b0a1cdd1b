"""What Prometheus scrapes."""

from litestar import Controller, Response, get

from entrypoints.http.requests.api_request import ApiRequest
from entrypoints.http.security.authorization import ANYBODY
from entrypoints.scrape import MEDIA_TYPE


class MetricsController(Controller):
    """For the machinery that watches."""

    include_in_schema = False
    opt = {"scope": ANYBODY}  # noqa: RUF012

    @get("/metrics")
    async def page(self, request: ApiRequest) -> Response[bytes]:
        """This process's counters, and the drift where the database answers."""
        return Response(await request.services.metrics_page.read(), media_type=MEDIA_TYPE)

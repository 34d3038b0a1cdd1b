"""Routes: durations and throughput of operations."""

from typing import Annotated

from litestar import Controller, get
from litestar.params import QueryParameter

from domain.access.scope import Scope
from domain.operation.start.labels import VALUE
from domain.throughput import Window
from entrypoints.http.openapi.routes import ContractOperation, problems
from entrypoints.http.requests.api_request import ApiRequest
from entrypoints.http.requests.listing.list_query import bounds
from entrypoints.http.requests.parameters import PATH
from entrypoints.http.requests.schemas import MAX_TYPE_LENGTH
from entrypoints.http.responses.number_bodies import DurationsBody, ThroughputBody, durations_body, throughput_body

Time = {"format": "date-time"}
TypeName = Annotated[
    str,
    QueryParameter(
        name="type",
        min_length=1,
        max_length=MAX_TYPE_LENGTH,
        pattern=f"^{VALUE}$",
        description="Operations of this type",
    ),
]
After = Annotated[
    str | None,
    QueryParameter(
        name="finished_after",
        description="Operations that finished after this time. Default: 24 hours before the end of the window",
        schema_extra=Time,
    ),
]
Before = Annotated[
    str | None,
    QueryParameter(
        name="finished_before",
        description="Operations that finished before this time. Default: now",
        schema_extra=Time,
    ),
]


OfType = Annotated[
    str | None,
    QueryParameter(
        name="type",
        min_length=1,
        max_length=MAX_TYPE_LENGTH,
        pattern=f"^{VALUE}$",
        description="Operations of this type. Default: of all types",
    ),
]
WindowName = Annotated[Window, QueryParameter(name="window", description="Length of the window. It ends now")]


class TimingController(Controller):
    """How long operations ran, and how many."""

    path = PATH
    tags = ("operations",)

    @get(
        "/durations",
        operation_id="readDurations",
        scope=Scope.READ,
        summary="Percentiles of durations",
        operation_class=ContractOperation,
        responses=problems(400),
    )
    async def durations(
        self, request: ApiRequest, type_name: TypeName, finished_after: After = None, finished_before: Before = None
    ) -> DurationsBody:
        """Percentiles of the seconds from `started_at` to `finished_at`, of the operations of a type that finished in
        the window. Times are exclusive. Operations that never started are left out. Of each status, at most the 10,000
        that finished last are read: below that, the percentiles are exact."""
        after, before = bounds("finished", finished_after, finished_before)
        return durations_body(await request.ledger.durations(type_name, after, before))

    @get(
        "/throughput",
        operation_id="readThroughput",
        scope=Scope.READ,
        summary="Throughput over time",
        operation_class=ContractOperation,
        responses=problems(400),
    )
    async def throughput(
        self, request: ApiRequest, window: WindowName = Window.HOUR, type_name: OfType = None
    ) -> ThroughputBody:
        """Exact numbers of operations that started, completed and failed over the last hour, day or week. The cost does
        not grow with the operations."""
        return throughput_body(await request.ledger.throughput(window, type_name))

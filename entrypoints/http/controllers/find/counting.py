"""Route: count operations."""

from litestar import Controller, get

from domain.access.scope import Scope
from entrypoints.http.openapi.routes import ContractOperation, problems
from entrypoints.http.requests.api_request import ApiRequest
from entrypoints.http.requests.parameters import PATH
from entrypoints.http.responses.number_bodies import CountsBody, counts_body


class CountController(Controller):
    """Numbers of operations."""

    path = PATH
    tags = ("operations",)

    @get(
        "/counts",
        operation_id="countOperations",
        scope=Scope.READ,
        summary="Count operations",
        operation_class=ContractOperation,
        responses=problems(400),
    )
    async def counts(self, request: ApiRequest) -> CountsBody:
        """Exact counts by status, by type and status, and by error code. The cost does not grow with the operations."""
        return counts_body(await request.ledger.counts())

"""Route: delete an operation."""

from uuid import UUID

from litestar import Controller, delete
from litestar.params import FromPath

from domain.access.scope import Scope
from entrypoints.http.openapi.routes import ContractOperation, problems
from entrypoints.http.requests.api_request import ApiRequest
from entrypoints.http.requests.conditional import expected_version
from entrypoints.http.requests.parameters import IF_MATCH, PATH


class DeletionController(Controller):
    """DELETE under /v1/operations."""

    path = PATH
    tags = ("operations",)

    @delete(
        "/{operation_id:uuid}",
        scope=Scope.ADMIN,
        operation_id="deleteOperation",
        summary="Delete an operation that is done",
        operation_class=ContractOperation,
        header_parameters=(IF_MATCH,),
        responses=problems(
            *(400, 404, 409, 412),
            words={409: "The operation is not done yet"},
            also=("operation-not-done",),
        ),
    )
    async def remove(self, request: ApiRequest, operation_id: FromPath[UUID]) -> None:
        """Deletes the operation, its history and its idempotency key: a later submission with that key creates a new
        operation. Cancel an operation that is not done first."""
        expected = expected_version(IF_MATCH.values(request))
        await request.ledger.delete(operation_id, expected=expected)

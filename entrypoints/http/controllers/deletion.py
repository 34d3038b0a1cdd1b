"""Removing an operation."""

from uuid import UUID

from litestar import Controller, delete
from litestar.di import NamedDependency
from litestar.params import FromPath

from application.tenant_ledger import TenantLedger
from domain.access.scope import Scope
from entrypoints.http.openapi.routes import ContractOperation, problems
from entrypoints.http.requests.conditional import expected_version
from entrypoints.http.requests.json_body import ApiRequest
from entrypoints.http.requests.parameters import PATH, IfMatch


class DeletionController(Controller):
    """Beside the calls that keep what there is."""

    path = PATH
    tags = ("operations",)

    @delete(
        "/{operation_id:uuid}",
        scope=Scope.ADMIN,
        operation_id="deleteOperation",
        summary="Remove an operation that is done",
        operation_class=ContractOperation,
        responses=problems(
            *(400, 404, 409, 412), words={409: "The operation is not done yet"}, never=("operation-already-done",)
        ),
    )
    async def remove(
        self,
        request: ApiRequest,
        ledger: NamedDependency[TenantLedger],
        operation_id: FromPath[UUID],
        if_match: IfMatch = None,
    ) -> None:
        """Its history goes with it, and its idempotency key: a later submission under that key is a new one. What is
        not done is cancelled first."""
        await ledger.delete(operation_id, expected=expected_version(request.headers.getall("if-match", [])))

"""Removing an operation."""

from uuid import UUID

from litestar import Controller, delete
from litestar.di import NamedDependency
from litestar.params import FromPath

from application.services.tenant_ledger import TenantLedger
from domain.scope import Scope
from entrypoints.http.bodies import ApiRequest
from entrypoints.http.openapi import ContractOperation, problems
from entrypoints.http.parameters import PATH, IfMatch
from entrypoints.http.requests.conditional import expected_version


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

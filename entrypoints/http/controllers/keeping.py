"""Route: keep an operation."""

from uuid import UUID

from litestar import Controller, post
from litestar.params import FromPath, JSONBody

from domain.access.scope import Scope
from entrypoints.http.openapi.routes import ContractOperation, problems
from entrypoints.http.requests.api_request import ApiRequest
from entrypoints.http.requests.conditional import expected_version
from entrypoints.http.requests.parameters import IF_MATCH, PATH
from entrypoints.http.requests.schemas import KeepBody
from entrypoints.http.responses.json_response import JsonResponse
from entrypoints.http.responses.operation_response import operation_response
from entrypoints.response_bodies import OperationBody


class KeepingController(Controller):
    """POST /v1/operations/{id}/keep."""

    path = PATH
    tags = ("operations",)

    @post(
        "/{operation_id:uuid}/keep",
        status_code=200,
        operation_id="keepOperation",
        scope=Scope.SUBMIT,
        summary="Keep an operation",
        operation_class=ContractOperation,
        header_parameters=(IF_MATCH,),
        responses=problems(
            *(400, 404, 412, 413, 415, 422), words={422: "The field is missing, unknown or not a boolean"}
        ),
    )
    async def keep(
        self, request: ApiRequest, operation_id: FromPath[UUID], data: JSONBody[KeepBody]
    ) -> JsonResponse[OperationBody]:
        """Retention does not delete the operation while `keep` is true, open or done. A `DELETE` does. A repeat changes
        nothing."""
        expected = expected_version(IF_MATCH.values(request))
        operation = await request.ledger.keep(operation_id, keep=data.keep, expected=expected)
        return operation_response(operation, 200, {})

"""Routes: the declared operation types."""

from litestar import Controller, get
from litestar.params import FromPath

from domain.access.scope import Scope
from domain.errors import UnknownOperationType
from entrypoints.http.openapi.routes import ContractOperation, problems
from entrypoints.http.problems.problems import TypeNotDeclared
from entrypoints.http.requests.api_request import ApiRequest
from entrypoints.http.responses.json_response import JsonResponse
from entrypoints.http.responses.type_schemas import TypeBody, TypesBody, type_body


class OperationTypeController(Controller):
    """Routes under /v1/operation-types."""

    path = "/operation-types"
    tags = ("operation types",)

    @get(
        operation_id="listOperationTypes",
        scope=Scope.READ,
        summary="List the declared operation types",
        operation_class=ContractOperation,
        responses=problems(400),
    )
    async def types(self, request: ApiRequest) -> JsonResponse[TypesBody]:
        """Returns every declared type with the schema of its input, sorted by name."""
        return JsonResponse(TypesBody([type_body(declared) for declared in request.ledger.types()]))

    @get(
        "/{name:str}",
        operation_id="getOperationType",
        scope=Scope.READ,
        summary="Read an operation type",
        operation_class=ContractOperation,
        responses=problems(400, 404, words={404: "The type is not declared"}, also=("type-not-declared",)),
    )
    async def type(self, request: ApiRequest, name: FromPath[str]) -> JsonResponse[TypeBody]:
        """Returns a declared type with the schema of its input."""
        try:
            declared = request.ledger.type(name)
        except UnknownOperationType as error:
            raise TypeNotDeclared(str(error)) from None
        return JsonResponse(type_body(declared))

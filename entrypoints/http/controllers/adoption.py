"""Route: adopt an execution that another client has started."""

from litestar import Controller, post
from litestar.openapi import ResponseSpec
from litestar.params import JSONBody

from domain.access.scope import Scope
from entrypoints.http.controllers.made_response import made_response
from entrypoints.http.openapi.response_headers import LOCATION, RETRY_AFTER
from entrypoints.http.openapi.routes import ContractOperation, problems
from entrypoints.http.requests.api_request import ApiRequest
from entrypoints.http.requests.parameters import PATH
from entrypoints.http.requests.schemas import AdoptBody
from entrypoints.http.responses.json_response import JsonResponse
from entrypoints.response_bodies import OperationBody

_DESCRIPTIONS = {
    404: "Temporal has no such execution, or it belongs or may belong to another tenant",
    409: "The execution belongs to an operation of another type",
    422: "A field is invalid, the type is not declared, or it is that of another workflow type or tenant",
    503: "The database or Temporal is unavailable. A repeat continues",
}


class AdoptionController(Controller):
    """The route /v1/operations:adopt. Unlike the others, it asks Temporal."""

    path = f"{PATH}:adopt"
    tags = ("operations",)

    @post(
        status_code=201,
        scope=Scope.SUBMIT,
        operation_id="adoptExecution",
        summary="Adopt an execution",
        operation_class=ContractOperation,
        response_headers=[LOCATION, RETRY_AFTER],
        responses={
            200: ResponseSpec(OperationBody, False, "The operation of the execution, which existed"),
            **problems(
                400,
                404,
                409,
                413,
                415,
                422,
                words=_DESCRIPTIONS,
                also=(
                    "execution-not-found",
                    "execution-of-other-type",
                    "unknown-operation-type",
                    "engine-unavailable",
                ),
            ),
        },
    )
    async def adopt(self, request: ApiRequest, data: JSONBody[AdoptBody]) -> JsonResponse[OperationBody]:
        """Makes an execution that another client has started an operation, running or closed. 201: the operation is
        new; 200: the execution was one already. A repeat returns the same operation. Its id follows from the workflow
        chain, its input from Temporal's history; a closed execution is final at once."""
        run_id = None if data.run_id is None else str(data.run_id)
        adopted = await request.ledger.adopt(data.type, data.workflow_id, run_id)
        return made_response(request, adopted.operation, 201 if adopted.new else 200)

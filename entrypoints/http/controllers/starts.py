"""Route: record an operation whose workflow the client starts itself."""

from litestar import Controller, post
from litestar.openapi import ResponseSpec
from litestar.params import JSONBody
from msgspec import UNSET
from msgspec.structs import replace

from domain.access.scope import Scope
from entrypoints.http.controllers.made_response import made_response
from entrypoints.http.openapi.response_headers import LOCATION, REPLAYED, RETRY_AFTER
from entrypoints.http.openapi.routes import ContractOperation, problems
from entrypoints.http.requests.api_request import ApiRequest
from entrypoints.http.requests.idempotency_key import checked_key
from entrypoints.http.requests.parameters import IDEMPOTENCY_KEY, PATH
from entrypoints.http.requests.schemas import RecordBody, start_request
from entrypoints.http.responses.json_response import JsonResponse
from entrypoints.http.server.tracing import trace_to_carry
from entrypoints.response_bodies import OperationBody


class StartController(Controller):
    """The route /v1/operations:record."""

    path = f"{PATH}:record"
    tags = ("operations",)

    @post(
        status_code=201,
        operation_id="recordOperation",
        scope=Scope.SUBMIT,
        summary="Record an operation whose workflow the client starts",
        operation_class=ContractOperation,
        header_parameters=(IDEMPOTENCY_KEY,),
        response_headers=[LOCATION, RETRY_AFTER, REPLAYED],
        responses={
            200: ResponseSpec(OperationBody, False, "The open operation with the workflow id, under `use_existing`"),
            **problems(
                *(400, 409, 413, 415, 422),
                also=("workflow-id-in-use",),
                words={
                    409: "An open operation has the workflow id. The `operation_id` names it if it is your own",
                    422: "A field is invalid, or the key is reused",
                },
            ),
        },
    )
    async def record(self, request: ApiRequest, data: JSONBody[RecordBody]) -> JsonResponse[OperationBody]:
        """The plugin of Temporal clients calls this before it starts a workflow. A 201 means that the operation is
        stored. The ledger never starts its workflow: start it under `workflow_id`, with the operation's id in the
        search attribute `OperationUUID`. If the response is lost, repeat the request with the same `Idempotency-Key`.

        An operation whose workflow Temporal does not have two minutes later is FAILED with START_REJECTED."""
        recorded = await request.ledger.record_start(start_request(data, checked_key(request)), trace=trace_to_carry())
        if recorded.new:
            return made_response(request, recorded.operation, 201, replayed=recorded.replayed)
        response = made_response(request, recorded.operation, 200, replayed=True)
        execution = replace(response.content.execution, first_run_id=recorded.operation.first_run_id or UNSET)
        response.content = replace(response.content, execution=execution)
        return response

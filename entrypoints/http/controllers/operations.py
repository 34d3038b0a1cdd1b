"""Routes: submit, read and cancel operations."""

from typing import Final
from uuid import UUID

from litestar import Controller, get, post
from litestar.datastructures import ResponseHeader
from litestar.params import FromPath, JSONBody

from domain.access.scope import Scope
from entrypoints.http.controllers.made_response import made_response
from entrypoints.http.openapi.response_headers import LOCATION, REPLAYED, RETRY_AFTER
from entrypoints.http.openapi.routes import (
    WORKFLOW_ID_CONFLICTS,
    ContractOperation,
    OptionalBodyOperation,
    not_modified,
    problems,
)
from entrypoints.http.requests.api_request import ApiRequest
from entrypoints.http.requests.conditional import expected_version
from entrypoints.http.requests.idempotency_key import checked_key
from entrypoints.http.requests.parameters import IDEMPOTENCY_KEY, IF_MATCH, IF_NONE_MATCH, PATH
from entrypoints.http.requests.schemas import (
    AcknowledgeBody,
    CancelBody,
    RetryBody,
    SubmitBody,
    retry_request,
    submission_request,
)
from entrypoints.http.requests.wait_preference import APPLIED, PREFER, Until, Wait, wait_options
from entrypoints.http.responses.json_response import JsonResponse
from entrypoints.http.responses.operation_response import (
    CurrentOperation,
    CurrentOperationResponse,
    operation_response,
)
from entrypoints.http.server.tracing import trace_to_carry
from entrypoints.response_bodies import (
    HistoryBody,
    OperationBody,
    transition_body,
)

_DEFAULT_CANCEL: Final = CancelBody()
_NO_REASON: Final = AcknowledgeBody()
_SAME_AGAIN: Final = RetryBody()
_REFUSED: Final = (
    "A field is invalid, the type is not declared, the input does not match its schema, or the key is reused"
)
_ETAG = ResponseHeader(
    name="ETag", documentation_only=True, description="Version of the operation as a strong entity tag"
)


class OperationController(Controller):
    """Routes under /v1/operations. They read and write the database, never Temporal."""

    path = PATH
    tags = ("operations",)

    @post(
        status_code=202,
        operation_id="submitOperation",
        scope=Scope.SUBMIT,
        summary="Submit an operation",
        operation_class=ContractOperation,
        header_parameters=(IDEMPOTENCY_KEY,),
        response_headers=[LOCATION, RETRY_AFTER, REPLAYED],
        responses=problems(
            400,
            409,
            413,
            415,
            422,
            also=("unknown-operation-type", *WORKFLOW_ID_CONFLICTS),
            words={409: "Another operation has the workflow id", 422: _REFUSED},
        ),
    )
    async def submit(self, request: ApiRequest, data: JSONBody[SubmitBody]) -> JsonResponse[OperationBody]:
        """A 202 means that the operation is stored and will run once. If the response is lost, repeat the request with
        the same `Idempotency-Key`.

        A type may give its operations a workflow id of their own. If another operation has it, the type decides: 409
        with that operation's `operation_id`, that operation as the response, or its termination."""
        submitted = await request.ledger.submit(submission_request(data, checked_key(request)), trace=trace_to_carry())
        return made_response(request, submitted.operation, 202, replayed=submitted.replayed)

    @get(
        "/{operation_id:uuid}",
        operation_id="getOperation",
        scope=Scope.READ,
        summary="Read an operation",
        operation_class=ContractOperation,
        header_parameters=(IF_NONE_MATCH, PREFER),
        response_headers=[_ETAG, RETRY_AFTER, APPLIED],
        responses=not_modified() | problems(400, 404),
    )
    async def read(
        self, request: ApiRequest, operation_id: FromPath[UUID], wait: Wait = None, until: Until = None
    ) -> JsonResponse[OperationBody | None]:
        """Returns the operation; a parent also with the number of its children by status. With `If-None-Match`, returns
        304 while the client has the current version and number of children. With `wait`, the response is delayed until
        the version differs from `If-None-Match`, or else from the current version; children do not end a wait. An
        operation that is done is returned at once."""
        options, applied = wait_options(request, wait, until)
        if options is None:
            operation = await request.ledger.get(operation_id)
        else:
            operation = await request.cancel_on_disconnect(request.ledger.wait(operation_id, options))
        return CurrentOperationResponse(CurrentOperation(operation, IF_NONE_MATCH.values(request), applied))

    @post(
        "/{operation_id:uuid}/cancel",
        status_code=202,
        operation_id="cancelOperation",
        scope=Scope.CANCEL,
        summary="Cancel an operation",
        operation_class=OptionalBodyOperation,
        header_parameters=(IF_MATCH,),
        response_headers=[RETRY_AFTER],
        responses=problems(400, 404, 409, 412, 413, 415, 422, also=("operation-already-done",)),
    )
    async def cancel(
        self, request: ApiRequest, operation_id: FromPath[UUID], data: JSONBody[CancelBody] = _DEFAULT_CANCEL
    ) -> JsonResponse[OperationBody]:
        """Stores the cancellation request; the worker delivers it to Temporal. `force` terminates the workflow, which
        then cannot clean up. A repeated request changes nothing."""
        expected = expected_version(IF_MATCH.values(request))
        operation = await request.ledger.cancel(
            operation_id, reason=data.reason, force=data.force is True, expected=expected
        )
        return operation_response(operation, 202, {})

    @post(
        "/{operation_id:uuid}/acknowledge",
        status_code=200,
        operation_id="acknowledgeOperation",
        scope=Scope.CANCEL,
        summary="Acknowledge the attention of an operation",
        operation_class=OptionalBodyOperation,
        header_parameters=(IF_MATCH,),
        response_headers=[RETRY_AFTER],
        responses=problems(400, 404, 412, 413, 415, 422),
    )
    async def acknowledge(
        self, request: ApiRequest, operation_id: FromPath[UUID], data: JSONBody[AcknowledgeBody] = _NO_REASON
    ) -> JsonResponse[OperationBody]:
        """Clears the attention until a new problem occurs: one of another kind, or one after the end of this one.
        The history keeps who did it, and why. An operation without attention stays as it is."""
        expected = expected_version(IF_MATCH.values(request))
        operation = await request.ledger.acknowledge(operation_id, reason=data.reason, expected=expected)
        return operation_response(operation, 200, {})

    @post(
        "/{operation_id:uuid}/retry",
        status_code=202,
        operation_id="retryOperation",
        scope=Scope.SUBMIT,
        summary="Retry an operation that is done",
        operation_class=OptionalBodyOperation,
        header_parameters=(IDEMPOTENCY_KEY,),
        response_headers=[LOCATION, RETRY_AFTER, REPLAYED],
        responses=problems(
            *(400, 404, 409, 413, 415, 422),
            also=(
                "operation-not-done",
                "operation-already-retried",
                "unknown-operation-type",
                *WORKFLOW_ID_CONFLICTS,
            ),
            words={
                409: "The operation is not done, was retried with other values, or its workflow id is in use",
                422: _REFUSED,
            },
        ),
    )
    async def retry(
        self, request: ApiRequest, operation_id: FromPath[UUID], data: JSONBody[RetryBody] = _SAME_AGAIN
    ) -> JsonResponse[OperationBody]:
        """Submits an operation of the same type with the same input and labels, or with those of the body. The two name
        each other: `retry_of`, `retried_by`. An operation is retried once; to try once more, retry its retry. The same
        request again returns the operation that the first one made."""
        retry = retry_request(data, checked_key(request))
        submitted = await request.ledger.retry(operation_id, retry, trace=trace_to_carry())
        return made_response(request, submitted.operation, 202, replayed=submitted.replayed)

    @get(
        "/{operation_id:uuid}/transitions",
        operation_id="listTransitions",
        scope=Scope.READ,
        summary="List the transitions of an operation",
        operation_class=ContractOperation,
        responses=problems(400, 404),
    )
    async def transitions(self, request: ApiRequest, operation_id: FromPath[UUID]) -> JsonResponse[HistoryBody]:
        """Returns every transition, oldest first and without gaps."""
        lines = await request.ledger.transitions(operation_id)
        return JsonResponse(HistoryBody([transition_body(line) for line in lines]))

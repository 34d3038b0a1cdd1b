"""Routes: submit, list, count, read and cancel operations."""

import re
from typing import Final
from uuid import UUID

from litestar import Controller, get, post
from litestar.datastructures import ResponseHeader
from litestar.params import FromPath, JSONBody

from application.ports.operation_queries import OperationFilter
from domain.access.scope import Scope
from entrypoints.http.openapi.routes import (
    ContractOperation,
    ListOperation,
    OptionalBodyOperation,
    not_modified,
    problems,
)
from entrypoints.http.problems.problems import InvalidHeader
from entrypoints.http.requests.api_request import ApiRequest
from entrypoints.http.requests.conditional import expected_version
from entrypoints.http.requests.page_token import PAGE_TOKENS, ListQuery, PageTokens
from entrypoints.http.requests.parameters import (
    IDEMPOTENCY_KEY,
    IF_MATCH,
    IF_NONE_MATCH,
    PATH,
    PREFIX,
    After,
    Attention,
    Before,
    OrderBy,
    PageSize,
    PageToken,
    Statuses,
    TypeName,
)
from entrypoints.http.requests.query_params import instant, label_filters
from entrypoints.http.requests.schemas import CancelBody, SubmitBody, submission_request
from entrypoints.http.requests.wait_preference import APPLIED, PREFER, Until, Wait, wait_options
from entrypoints.http.responses.json_response import JsonResponse
from entrypoints.http.responses.operation_response import (
    CurrentOperation,
    CurrentOperationResponse,
    operation_response,
)
from entrypoints.http.responses.schemas import (
    CountsBody,
    HistoryBody,
    OperationBody,
    PageBody,
    counts_body,
    operation_body,
    transition_body,
)
from entrypoints.http.security.forwarded import base_path
from entrypoints.http.server.tracing import trace_to_carry

_DEFAULT_CANCEL: Final = CancelBody()
_LOCATION = ResponseHeader(name="Location", documentation_only=True, description="URL of the operation")
_REPLAYED = ResponseHeader(
    name="Idempotent-Replayed",
    documentation_only=True,
    description="`true` if this repeats the first response to the same `Idempotency-Key`",
)
_RETRY_AFTER = ResponseHeader(
    name="Retry-After",
    documentation_only=True,
    description="Seconds to wait before the next poll. Absent when the operation is done",
)
_ETAG = ResponseHeader(
    name="ETag", documentation_only=True, description="Version of the operation as a strong entity tag"
)

_KEY = re.compile(r"[\x20-\x7e]{1,255}")


def _checked_key(request: ApiRequest) -> str | None:
    keys = IDEMPOTENCY_KEY.values(request)
    if keys and not _KEY.fullmatch(keys[0]):
        raise InvalidHeader("Idempotency-Key", "must be 1 to 255 printable ASCII characters")
    return keys[0] if keys else None


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
        response_headers=[_LOCATION, _RETRY_AFTER, _REPLAYED],
        responses=problems(400, 413, 415, 422),
    )
    async def submit(self, request: ApiRequest, data: JSONBody[SubmitBody]) -> JsonResponse[OperationBody]:
        """A 202 means that the operation is stored and will run once. If the response is lost, repeat the request with
        the same `Idempotency-Key`."""
        submitted = await request.ledger.submit(submission_request(data, _checked_key(request)), trace=trace_to_carry())
        headers = {"Location": f"{base_path(request.scope)}{PREFIX}{PATH}/{submitted.operation.id}"}
        if submitted.replayed:
            headers["Idempotent-Replayed"] = "true"
        return operation_response(submitted.operation, 202, headers)

    @get(
        operation_id="listOperations",
        scope=Scope.READ,
        summary="List operations by acceptance time",
        operation_class=ListOperation,
        responses=problems(400),
        label_filters=True,
    )
    async def page(
        self,
        request: ApiRequest,
        statuses: Statuses = None,
        type_name: TypeName = None,
        attention: Attention = None,
        accepted_after: After = None,
        accepted_before: Before = None,
        order: OrderBy = "-accepted_at",
        page_size: PageSize = 50,
        page_token: PageToken = None,
    ) -> JsonResponse[PageBody]:
        """Pages do not shift when operations are added. A page with large operations ends early, at about 1 MB: only
        `next_page_token` of null marks the last page. A token is valid for the same filters and order; `page_size` may
        change between pages."""
        criteria = OperationFilter(
            statuses=frozenset(statuses or ()),
            type=type_name,
            labels=label_filters(request),
            attention=attention,
            accepted_after=instant("accepted_after", accepted_after),
            accepted_before=instant("accepted_before", accepted_before),
        )
        page_tokens: PageTokens = request.app.state[PAGE_TOKENS]
        query = ListQuery(request.user.tenant, criteria, newest_first=order == "-accepted_at")
        after = None if page_token is None else page_tokens.read(query, page_token)
        page = await request.ledger.page(criteria, newest_first=query.newest_first, after=after, size=page_size)
        token = None if page.next_after is None else page_tokens.issue(query, page.next_after)
        return JsonResponse(PageBody([operation_body(item) for item in page.items], token))

    @get(
        "/counts",
        operation_id="countOperations",
        scope=Scope.READ,
        summary="Count operations",
        operation_class=ContractOperation,
        responses=problems(400),
    )
    async def counts(self, request: ApiRequest) -> CountsBody:
        """Counts by status, and by type and status."""
        return counts_body(await request.ledger.counts())

    @get(
        "/{operation_id:uuid}",
        operation_id="getOperation",
        scope=Scope.READ,
        summary="Read an operation",
        operation_class=ContractOperation,
        header_parameters=(IF_NONE_MATCH, PREFER),
        response_headers=[_ETAG, _RETRY_AFTER, APPLIED],
        responses=not_modified() | problems(400, 404),
    )
    async def read(
        self, request: ApiRequest, operation_id: FromPath[UUID], wait: Wait = None, until: Until = None
    ) -> JsonResponse[OperationBody | None]:
        """Returns the operation. With `If-None-Match`, returns 304 while the client has the current version. With
        `wait`, the response is delayed until the version differs from `If-None-Match`, or else from the current
        version. An operation that is done is returned at once."""
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
        response_headers=[_RETRY_AFTER],
        responses=problems(400, 404, 409, 412, 413, 415, 422, never=("operation-not-done",)),
    )
    async def cancel(
        self, request: ApiRequest, operation_id: FromPath[UUID], data: JSONBody[CancelBody] = _DEFAULT_CANCEL
    ) -> JsonResponse[OperationBody]:
        """Stores the cancellation request; the worker delivers it to Temporal. `force` terminates the workflow, which
        then cannot clean up. A repeated request changes nothing."""
        expected = expected_version(IF_MATCH.values(request))
        operation = await request.ledger.cancel(operation_id, reason=data.reason, force=data.force, expected=expected)
        return operation_response(operation, 202, {})

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

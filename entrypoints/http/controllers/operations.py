"""The operations: submit, read, cancel."""

import re
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
from entrypoints.http.requests.schemas import CancelBody, SubmitBody, wanted
from entrypoints.http.requests.wait_preference import APPLIED, PREFER, Until, Wait, unless_gone, wish
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

_NO_WISHES = CancelBody()
_LOCATION = ResponseHeader(name="Location", documentation_only=True, description="Where the operation is read")
_REPLAYED = ResponseHeader(
    name="Idempotent-Replayed", documentation_only=True, description="`true`: the first request's answer, again"
)
_RETRY_AFTER = ResponseHeader(
    name="Retry-After", documentation_only=True, description="Seconds until asking again; absent when it is done"
)
_ETAG = ResponseHeader(name="ETag", documentation_only=True, description="The version, as a strong entity tag")

_KEY = re.compile(r"[\x20-\x7e]{1,255}")


def _checked_key(request: ApiRequest) -> str | None:
    keys = IDEMPOTENCY_KEY.values(request)
    if keys and not _KEY.fullmatch(keys[0]):
        raise InvalidHeader("Idempotency-Key", "it is 1 to 255 printable ASCII characters")
    return keys[0] if keys else None


class OperationController(Controller):
    """Everything under /v1/operations. Each call reads and writes the database alone, never the engine."""

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
        """A 202 means: stored, and going to run once. Repeat a request whose answer was lost under the same
        `Idempotency-Key`."""
        submitted = await request.ledger.submit(wanted(data, _checked_key(request)), trace=trace_to_carry())
        headers = {"Location": f"{base_path(request.scope)}{PREFIX}{PATH}/{submitted.operation.id}"}
        if submitted.replayed:
            headers["Idempotent-Replayed"] = "true"
        return operation_response(submitted.operation, 202, headers)

    @get(
        operation_id="listOperations",
        scope=Scope.READ,
        summary="List operations by the time they were accepted",
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
        """Pages do not shift when operations are added. A page of large operations ends early, after about a megabyte:
        the last one has a `next_page_token` of null. A token belongs to its filters and order; `page_size` may change
        between pages."""
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
        """By status, and by type and status."""
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
        """How it stands. With `If-None-Match` the answer is 304 until there is a new version. `wait` delays the answer
        until the operation changes: against the version of `If-None-Match`, or else the current one. What is done does
        not change any more, and is answered at once."""
        wished, applied = wish(request, wait, until)
        if wished is None:
            operation = await request.ledger.get(operation_id)
        else:
            operation = await unless_gone(request, request.ledger.wait(operation_id, wished))
        return CurrentOperationResponse(CurrentOperation(operation, IF_NONE_MATCH.values(request), applied))

    @post(
        "/{operation_id:uuid}/cancel",
        status_code=202,
        operation_id="cancelOperation",
        scope=Scope.CANCEL,
        summary="Ask for an operation's end",
        operation_class=OptionalBodyOperation,
        header_parameters=(IF_MATCH,),
        response_headers=[_RETRY_AFTER],
        responses=problems(400, 404, 409, 412, 413, 415, 422, never=("operation-not-done",)),
    )
    async def cancel(
        self, request: ApiRequest, operation_id: FromPath[UUID], data: JSONBody[CancelBody] = _NO_WISHES
    ) -> JsonResponse[OperationBody]:
        """The wish is stored, and the engine is told in time. `force` terminates, without a chance to clean up.
        A repeat changes nothing."""
        expected = expected_version(IF_MATCH.values(request))
        operation = await request.ledger.cancel(operation_id, reason=data.reason, force=data.force, expected=expected)
        return operation_response(operation, 202, {})

    @get(
        "/{operation_id:uuid}/transitions",
        operation_id="listTransitions",
        scope=Scope.READ,
        summary="Read an operation's history",
        operation_class=ContractOperation,
        responses=problems(400, 404),
    )
    async def transitions(self, request: ApiRequest, operation_id: FromPath[UUID]) -> JsonResponse[HistoryBody]:
        """Every transition, the oldest first and without a gap."""
        lines = await request.ledger.transitions(operation_id)
        return JsonResponse(HistoryBody([transition_body(line) for line in lines]))

"""Routes: bulk actions."""

from typing import Annotated, Any, Final
from uuid import UUID

from litestar import Controller, get, post
from litestar.openapi import ResponseSpec
from litestar.params import FromPath, JSONBody, QueryParameter

from application.bulk.bulk_operations import SAMPLE, Confirmation
from domain.access.scope import Scope
from domain.bulk.bulk_action import BulkTerms, BulkVerb
from domain.bulk.target import TargetOutcome
from entrypoints.http.controllers.made_response import made_response
from entrypoints.http.openapi.response_headers import LOCATION, REPLAYED, RETRY_AFTER
from entrypoints.http.openapi.routes import ContractOperation, problems
from entrypoints.http.requests.api_request import ApiRequest
from entrypoints.http.requests.bulk.confirmation import CONFIRMATIONS, BulkQuery, Confirmations
from entrypoints.http.requests.bulk.schemas import BulkBody, BulkCancelBody, checked_filter, shown
from entrypoints.http.requests.listing.list_parameters import PageSize
from entrypoints.http.requests.listing.page_token import PAGE_TOKENS, PageTokens, TargetQuery
from entrypoints.http.requests.parameters import PATH
from entrypoints.http.responses.bulk_schemas import BulkPreviewBody, TargetsBody, target_body
from entrypoints.http.responses.json_response import JsonResponse
from entrypoints.http.server.tracing import trace_to_carry
from entrypoints.response_bodies import OperationBody, operation_body

_HEADERS: Final = [LOCATION, RETRY_AFTER, REPLAYED]
_RESPONSES: Final = {
    200: ResponseSpec(BulkPreviewBody, False, "What the dry run has found"),
    **problems(
        *(400, 413, 415, 422),
        words={
            422: "A field is invalid, too many operations match, or `confirm` has expired, is of another dry run or "
            "was used with another `reason` or `force`"
        },
    ),
}
_TargetToken = Annotated[
    str | None, QueryParameter(name="page_token", description="`next_page_token` of the previous page")
]
_Outcomes = Annotated[
    list[TargetOutcome] | None, QueryParameter(name="outcome", description="Targets with any of these outcomes")
]


class BulkController(Controller):
    """Bulk actions under /v1."""

    tags = ("bulk actions",)

    @post(
        f"{PATH}:cancel",
        status_code=202,
        scope=Scope.CANCEL,
        operation_id="cancelOperations",
        summary="Cancel many operations",
        operation_class=ContractOperation,
        response_headers=_HEADERS,
        responses=_RESPONSES,
    )
    async def cancel(self, request: ApiRequest, data: JSONBody[BulkCancelBody]) -> JsonResponse[OperationBody]:
        """Requests the cancellation of the open operations that match. First a dry run: it counts the operations and
        stores which they are. Then its confirmation, with the same filter: 202 and an operation of the type
        `opledger.cancel`, which does the work and reports its progress. It handles the operations of the dry run, and
        skips those that have changed so that the verb no longer applies. A repeated confirmation returns the same
        operation; with another `reason` or `force` it is a 422."""
        return await _respond(request, BulkVerb.CANCEL, data, force=data.force is True)

    @post(
        f"{PATH}:retry",
        status_code=202,
        scope=Scope.SUBMIT,
        operation_id="retryOperations",
        summary="Retry many operations",
        operation_class=ContractOperation,
        response_headers=_HEADERS,
        responses=_RESPONSES,
    )
    async def retry(self, request: ApiRequest, data: JSONBody[BulkBody]) -> JsonResponse[OperationBody]:
        """Retries the operations that match and are done, each with its own input and labels: `status` or `error_code`
        selects failed ones. Dry run and confirmation as for `operations:cancel`."""
        return await _respond(request, BulkVerb.RETRY, data)

    @post(
        f"{PATH}:delete",
        status_code=202,
        scope=Scope.ADMIN,
        operation_id="deleteOperations",
        summary="Delete many operations",
        operation_class=ContractOperation,
        response_headers=_HEADERS,
        responses=_RESPONSES,
    )
    async def delete(self, request: ApiRequest, data: JSONBody[BulkBody]) -> JsonResponse[OperationBody]:
        """Deletes the operations that match and are done. Dry run and confirmation as for `operations:cancel`."""
        return await _respond(request, BulkVerb.DELETE, data)

    @post(
        f"{PATH}:acknowledge",
        status_code=202,
        scope=Scope.CANCEL,
        operation_id="acknowledgeOperations",
        summary="Acknowledge the attention of many operations",
        operation_class=ContractOperation,
        response_headers=_HEADERS,
        responses=_RESPONSES,
    )
    async def acknowledge(self, request: ApiRequest, data: JSONBody[BulkBody]) -> JsonResponse[OperationBody]:
        """Clears the attention of matching operations until a new problem occurs. Dry run and confirmation as for
        `operations:cancel`."""
        return await _respond(request, BulkVerb.ACKNOWLEDGE, data)

    @get(
        f"{PATH}/{{operation_id:uuid}}/targets",
        operation_id="listTargets",
        scope=Scope.READ,
        summary="List what a bulk action did",
        operation_class=ContractOperation,
        responses=problems(400, 404),
    )
    async def targets(
        self,
        request: ApiRequest,
        operation_id: FromPath[UUID],
        page_size: PageSize = 50,
        page_token: _TargetToken = None,
        outcome: _Outcomes = None,
    ) -> JsonResponse[TargetsBody]:
        """Returns the operations of a bulk action with the outcome of each. An operation that is no bulk action has
        none."""
        tokens: PageTokens = request.app.state[PAGE_TOKENS]
        query = TargetQuery(request.user.tenant, operation_id, frozenset(outcome or ()))
        after = 0 if page_token is None else tokens.read_place(query, page_token)
        found = await request.ledger.bulk_targets(
            operation_id, after=after, limit=page_size + 1, outcomes=query.outcomes
        )
        shown_targets = found[:page_size]
        more = len(found) > page_size
        token = tokens.issue_place(query, shown_targets[-1].place) if more else None
        return JsonResponse(TargetsBody([target_body(target) for target in shown_targets], token))


async def _respond(request: ApiRequest, verb: BulkVerb, body: BulkBody, *, force: bool = False) -> JsonResponse[Any]:
    criteria = checked_filter(body)
    confirmations: Confirmations = request.app.state[CONFIRMATIONS]
    query = BulkQuery(request.user.tenant, verb, criteria)
    if body.confirm is None:
        may_read = not {Scope.READ, Scope.ADMIN}.isdisjoint(request.user.scopes)
        preview = await request.ledger.preview_bulk(verb, criteria, sample=SAMPLE if may_read else 0)
        token = confirmations.issue(query, preview.action.id)
        sample = [operation_body(operation) for operation in preview.sample]
        return JsonResponse(
            BulkPreviewBody(preview.action.matching, sample, token, preview.expires_at), status_code=200
        )
    action_id = confirmations.read(query, body.confirm)
    terms = BulkTerms(body.reason, force, request.user.actor)
    confirmed = Confirmation(action_id, verb, terms, shown(body))
    submitted = await request.ledger.confirm_bulk(confirmed, trace=trace_to_carry())
    return made_response(request, submitted.operation, 202, replayed=submitted.replayed)

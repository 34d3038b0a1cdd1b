"""Pages: the dry run of a bulk action, and its confirmation."""

from typing import Any, Final

from litestar import Controller, Response, post
from litestar.params import FromPath

from application.bulk.bulk_operations import SAMPLE, Confirmation
from application.ports.storage.operation_queries import OperationFilter
from domain.access.scope import Scope, check_scope
from domain.bulk.bulk_action import BulkTerms, BulkVerb
from domain.errors import InvalidInput
from entrypoints.http.problems.problems import InvalidBody
from entrypoints.http.requests.bulk.confirmation import CONFIRMATIONS, BulkQuery, Confirmations
from entrypoints.http.requests.bulk.schemas import BulkBody, BulkCancelBody, filter_body, shown
from entrypoints.http.requests.listing.list_query import FILTERED, Criteria
from entrypoints.http.server.tracing import trace_to_carry
from entrypoints.ui.bulk.verbs import VERBS, runs_completed
from entrypoints.ui.reason import given_reason
from entrypoints.ui.rendering.page import redirect, render
from entrypoints.ui.request import UiRequest
from entrypoints.ui.views.filters import LIST, conditions, with_parameters

_OTHER_FILTERS: Final = "The confirmation belongs to another action or to other filters: count the operations again."


class BulkController(Controller):
    """The filters are parameters of the URL, as those of the list. Forms send the rest."""

    path = "/bulk/{verb:str}"
    opt = {"scope": Scope.READ}  # noqa: RUF012

    @post(status_code=200, audited=False, **FILTERED)
    async def preview(self, request: UiRequest, verb: FromPath[BulkVerb], criteria: Criteria) -> Response[str]:
        """Makes a dry run: counts the operations, and asks for a confirmation. Changes none of them."""
        check_scope(request.user.scopes, VERBS[verb].scope)
        try:
            found = await request.ledger.preview_bulk(verb, criteria, sample=SAMPLE)
        except InvalidInput as error:
            return _refused(request, verb, error)
        confirmations: Confirmations = request.app.state[CONFIRMATIONS]
        return render(
            request,
            "pages/bulk.html",
            **_about(request, verb),
            matching=found.action.matching,
            sample=found.sample,
            confirm=confirmations.issue(_query(request, verb, criteria), found.action.id),
            expires_at=found.expires_at,
            runs_completed=runs_completed(verb, criteria),
            every=criteria == OperationFilter(),
        )

    @post("/confirm", status_code=303, **FILTERED)
    async def confirm(self, request: UiRequest, verb: FromPath[BulkVerb], criteria: Criteria) -> Response[Any]:
        """Starts the operation that does the work, and redirects to its page. A repeat redirects to the same page."""
        check_scope(request.user.scopes, VERBS[verb].scope)
        confirmations: Confirmations = request.app.state[CONFIRMATIONS]
        reason = given_reason(request)
        force = verb is BulkVerb.CANCEL and request.fields.get("force") == "yes"
        try:
            action_id = confirmations.read(_query(request, verb, criteria), request.fields.get("confirm", ""))
            terms = BulkTerms(reason, force, request.user.actor)
            confirmation = Confirmation(action_id, verb, terms, shown(_body(verb, criteria, reason, force=force)))
            submitted = await request.ledger.confirm_bulk(confirmation, trace=trace_to_carry())
        except (InvalidInput, InvalidBody) as error:
            return _refused(request, verb, error)
        return redirect(request, f"/operations/{submitted.operation.id}")


def _query(request: UiRequest, verb: BulkVerb, criteria: OperationFilter) -> BulkQuery:
    return BulkQuery(request.user.tenant, verb, criteria)


def _body(verb: BulkVerb, criteria: OperationFilter, reason: str | None, *, force: bool) -> BulkBody:
    """The request of the API that does the same: it is the input of the operation."""
    if verb is BulkVerb.CANCEL and force:
        return BulkCancelBody(filter=filter_body(criteria), reason=reason, force=True)
    return BulkBody(filter=filter_body(criteria), reason=reason)


def _about(request: UiRequest, verb: BulkVerb) -> dict[str, Any]:
    """What the pages of a verb say, and where their forms go."""
    listed = with_parameters(request.parameters)
    query = listed.removeprefix(LIST)
    return {
        "verb": verb,
        "words": VERBS[verb],
        "texts": conditions(request.parameters),
        "again": f"/bulk/{verb}{query}",
        "confirm_path": f"/bulk/{verb}/confirm{query}",
        "listed": listed,
    }


def _refused(request: UiRequest, verb: BulkVerb, error: InvalidInput | InvalidBody) -> Response[str]:
    """Says why nothing was done, and what to do next."""
    too_many = isinstance(error, InvalidInput) and error.pointer == "/filter"
    if isinstance(error, InvalidBody):
        why = _OTHER_FILTERS
    else:
        why = f"The {'filter' if too_many else 'confirmation'} {error}."
    return render(
        request, "pages/bulk_refused.html", status=422, **_about(request, verb), why=why, may_repeat=not too_many
    )

"""Page: what a bulk action did to each of its targets."""

from typing import Annotated, Final
from urllib.parse import urlencode
from uuid import UUID

from litestar import Controller, Response, get
from litestar.params import FromPath, QueryParameter

from domain.access.scope import Scope
from domain.bulk.target import TargetOutcome
from entrypoints.http.requests.listing.page_token import PAGE_TOKENS, PageTokens, TargetQuery
from entrypoints.ui.rendering.page import render
from entrypoints.ui.request import UiRequest

PAGE_SIZE: Final = 100
Outcomes = Annotated[list[TargetOutcome] | None, QueryParameter(name="outcome")]
Token = Annotated[str | None, QueryParameter(name="page_token")]
TABS: Final = (
    ("All", ()),
    ("Failed", (TargetOutcome.FAILED,)),
    ("Skipped", (TargetOutcome.SKIPPED,)),
    ("Done", (TargetOutcome.DONE,)),
    ("Pending", (TargetOutcome.PENDING,)),
)


class TargetsController(Controller):
    """The targets, in the order in which they are handled."""

    opt = {"scope": Scope.READ}  # noqa: RUF012

    @get("/operations/{operation_id:uuid}/targets")
    async def targets(
        self, request: UiRequest, operation_id: FromPath[UUID], outcome: Outcomes = None, page_token: Token = None
    ) -> Response[str]:
        """A page of targets, all or those with these outcomes. An operation that is no bulk action has none."""
        tokens: PageTokens = request.app.state[PAGE_TOKENS]
        operation = await request.ledger.get(operation_id)
        query = TargetQuery(request.user.tenant, operation_id, frozenset(outcome or ()))
        after = 0 if page_token is None else tokens.read_place(query, page_token)
        found = await request.ledger.bulk_targets(
            operation_id, after=after, limit=PAGE_SIZE + 1, outcomes=query.outcomes
        )
        shown, here = found[:PAGE_SIZE], [("outcome", each) for each in sorted(query.outcomes)]
        next_query = None
        if len(found) > PAGE_SIZE:
            next_query = urlencode([*here, ("page_token", tokens.issue_place(query, shown[-1].place))])
        return render(
            request,
            "pages/targets.html",
            operation=operation,
            targets=shown,
            tabs=[
                (name, urlencode([("outcome", each) for each in own]), {*own} == query.outcomes) for name, own in TABS
            ],
            next_query=next_query,
            first_query=urlencode(here) if page_token else None,
        )

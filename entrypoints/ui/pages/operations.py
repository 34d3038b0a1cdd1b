"""Page: the list of operations. Its URL has the filters of the API's list, under the same names."""

import asyncio
from collections import Counter
from contextlib import suppress
from functools import partial
from typing import Any, Final

from litestar import Controller, Response, get

from application.ports.storage.change_feed import Position
from application.ports.storage.operation_queries import AtLeast, Page
from domain.access.scope import Scope
from domain.errors import OperationNotFound
from domain.operation.status import OperationStatus
from entrypoints.http.requests.listing.list_parameters import OrderBy, PageToken
from entrypoints.http.requests.listing.list_query import FILTERED, Criteria, sorting
from entrypoints.http.requests.listing.page_token import PAGE_TOKENS, ListQuery, PageTokens
from entrypoints.http.responses.event_ids import PARAMETER, position_id
from entrypoints.ui.bulk.verbs import VERBS, offered, query_of, selected
from entrypoints.ui.live.list_watch import encoded_rows
from entrypoints.ui.rendering.page import can, redirect, render
from entrypoints.ui.rendering.times import iso
from entrypoints.ui.request import ANY_QUERY, UiRequest
from entrypoints.ui.views.example_input import example_input
from entrypoints.ui.views.filters import MAX_ATTENTIVE, Parameters, chips, searched, searched_id, tabs, with_parameters

PAGE_SIZE: Final = 50
_COUNTED: Final = frozenset({"status", "attention", "type", "page_token", "order"})
"""Parameters with which the numbers on the tabs are those of the list."""


class OperationsController(Controller):
    """The list, and the form above it."""

    opt = {"scope": Scope.READ}  # noqa: RUF012

    @get("/operations", **FILTERED)
    async def operations(
        self,
        request: UiRequest,
        criteria: Criteria,
        order: OrderBy = None,
        page_token: PageToken = None,
    ) -> Response[str]:
        """A page of operations, newest first."""
        by, newest_first = sorting(order, criteria)
        page_tokens: PageTokens = request.app.state[PAGE_TOKENS]
        query = ListQuery(request.user.tenant, criteria, newest_first=newest_first, by=by)
        after = None if page_token is None else page_tokens.read(query, page_token)
        head = await request.ledger.head()  # before the page: the stream has what changes from here on
        page = await request.ledger.page(criteria, newest_first=newest_first, after=after, size=PAGE_SIZE, by=by)
        given = request.parameters
        next_page = None
        if page.next_after is not None:
            next_page = with_parameters(given, page_token=page_tokens.issue(query, page.next_after))
        types = request.ledger.types()
        chosen = selected(criteria, by)
        verbs = offered(chosen, partial(can, request.principal)) if page.items else []
        return render(
            request,
            "pages/operations.html",
            operations=page.items,
            tabs=tabs(given, *await self._numbers(request, criteria.type)),
            chips=chips(given),
            given=given,
            types=types,
            type_name=criteria.type,
            example=(types[0].name, example_input(types[0].input_schema)) if types and not page.items else None,
            next=next_page,
            newest_first=newest_first,
            live=None if page_token else _stream(given, page, head),
            verbs=verbs,
            verb_words=VERBS,
            bulk_query=query_of(given, chosen, by) if chosen and verbs else "",
            first=with_parameters(given, page_token=None) if page_token else None,
        )

    @get("/operations/search", opt={ANY_QUERY: True})
    async def search(self, request: UiRequest) -> Response[Any]:
        """Turns the form into the URL of the list it asks for, or of the operation whose id was entered."""
        operation_id = searched_id(request.parameters)
        if operation_id is not None:
            with suppress(OperationNotFound):
                return redirect(request, f"/operations/{(await request.ledger.get(operation_id)).id}")
        return redirect(request, searched(request.parameters, request.now))

    async def _numbers(
        self, request: UiRequest, type_name: str | None
    ) -> tuple[Counter[OperationStatus] | None, AtLeast | None]:
        """The number of operations by status, and of those that need attention; None if filters make the list another
        one."""
        if not _COUNTED.issuperset(name for name, _ in request.parameters):
            return None, None
        counts, attention = await asyncio.gather(
            request.ledger.counts(), request.ledger.count_attentive(type_name, MAX_ATTENTIVE)
        )
        numbers: Counter[OperationStatus] = Counter()
        for (name, status, _), number in counts.items():
            if type_name in (None, name):
                numbers[status] += number
        return numbers, attention


def _stream(given: Parameters, page: Page, head: Position) -> str:
    """The path of the stream of what changed since the page was read."""
    rows = encoded_rows(operation.id for operation in page.items)
    last = None if page.next_after is None else iso(page.next_after.at)
    return f"/live{with_parameters(given, rows=rows, last=last, **{PARAMETER: position_id(head)})}"

"""Route: list operations."""

from litestar import Controller, get

from domain.access.scope import Scope
from entrypoints.http.openapi.routes import ListOperation, problems
from entrypoints.http.requests.api_request import ApiRequest
from entrypoints.http.requests.listing.list_parameters import OrderBy, PageSize, PageToken
from entrypoints.http.requests.listing.list_query import FILTERED, Criteria, sorting
from entrypoints.http.requests.listing.page_token import PAGE_TOKENS, ListQuery, PageTokens
from entrypoints.http.requests.parameters import PATH
from entrypoints.http.responses.json_response import JsonResponse
from entrypoints.response_bodies import PageBody, operation_body


class ListController(Controller):
    """The list of operations."""

    path = PATH
    tags = ("operations",)

    @get(
        operation_id="listOperations",
        scope=Scope.READ,
        summary="List operations by acceptance or finish time",
        operation_class=ListOperation,
        responses=problems(400),
        **FILTERED,
    )
    async def page(
        self,
        request: ApiRequest,
        criteria: Criteria,
        order: OrderBy = None,
        page_size: PageSize = 50,
        page_token: PageToken = None,
    ) -> JsonResponse[PageBody]:
        """An operation matches if it has one of the values of each filter. Times are exclusive. Pages do not shift when
        operations are added. A page with large operations ends early, at about 1 MB: only `next_page_token` of null
        marks the last page. A token is valid for the same filters and order; `page_size` may change between pages."""
        by, newest_first = sorting(order, criteria)
        page_tokens: PageTokens = request.app.state[PAGE_TOKENS]
        query = ListQuery(request.user.tenant, criteria, newest_first=newest_first, by=by)
        after = None if page_token is None else page_tokens.read(query, page_token)
        page = await request.ledger.page(criteria, newest_first=newest_first, after=after, size=page_size, by=by)
        token = None if page.next_after is None else page_tokens.issue(query, page.next_after)
        return JsonResponse(PageBody([operation_body(item) for item in page.items], token))

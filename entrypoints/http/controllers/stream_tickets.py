"""Route: stream tickets for browsers."""

from datetime import datetime
from typing import Annotated

from litestar import Controller, post
from msgspec import Meta, Struct

from domain.access.scope import Scope
from entrypoints.http.openapi.routes import ContractOperation, problems
from entrypoints.http.requests.api_request import ApiRequest
from entrypoints.http.responses.json_response import JsonResponse


class StreamTicketBody(Struct, frozen=True):
    """A credential for one event stream."""

    ticket: Annotated[str, Meta(description="Valid once, as the query parameter `ticket` of an event stream")]
    expires_at: datetime


class StreamTicketController(Controller):
    """Routes under /v1/stream-tickets."""

    path = "/stream-tickets"
    tags = ("events",)

    @post(
        status_code=201,
        operation_id="createStreamTicket",
        scope=Scope.READ,
        summary="Create a stream ticket",
        operation_class=ContractOperation,
        responses=problems(400),
    )
    async def create(self, request: ApiRequest) -> JsonResponse[StreamTicketBody]:
        """EventSource cannot send the header `Authorization`. Open a stream with a ticket instead:
        `GET /v1/events?ticket=...` or `GET /v1/operations/{operation_id}/events?ticket=...`. A ticket is valid once,
        for one minute and for reading only. The stream ends when the credential of the ticket becomes invalid.
        EventSource reconnects with the same URL, and a used ticket gets 401: then create a new ticket and a new
        EventSource with the id of the last event as `last_event_id`."""
        made = await request.services.tickets.issue(request.user)
        return JsonResponse(StreamTicketBody(made.text, made.stored.expires_at), status_code=201)

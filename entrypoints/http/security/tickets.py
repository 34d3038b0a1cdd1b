"""Stream tickets in the query of a request."""

from typing import Final

from litestar.types import HTTPScope, WebSocketScope

from entrypoints.http.problems.problems import InvalidParameter

TAKES_TICKETS: Final = "takes_tickets"
"""Among a route's options: a stream ticket counts there in place of the header Authorization."""
PARAMETER: Final = "ticket"
_MORE_THAN_ONE: Final = "it is given more than once"
_BOTH: Final = "it is given together with the header Authorization: send one of them"


def take_ticket(scope: HTTPScope | WebSocketScope) -> str | None:
    """Removes the ticket from the query, so that nothing logs it, and returns it. Raises InvalidParameter."""
    parts = scope["query_string"].split(b"&")
    tickets = [part for part in parts if _is_ticket(part)]
    if not tickets:
        return None
    scope["query_string"] = b"&".join(part for part in parts if not _is_ticket(part))
    if len(tickets) > 1:
        raise InvalidParameter(PARAMETER, _MORE_THAN_ONE)
    if any(name == b"authorization" for name, _ in scope["headers"]):
        raise InvalidParameter(PARAMETER, _BOTH)
    return tickets[0].partition(b"=")[2].decode("latin-1")


def _is_ticket(part: bytes) -> bool:
    return part.partition(b"=")[0] == PARAMETER.encode()

"""Takes stream tickets from the query of a request."""

from typing import Final

from litestar.types import HTTPScope, WebSocketScope

from entrypoints.http.problems.problems import InvalidParameter

TAKES_TICKETS: Final = "takes_tickets"
"""Option of a route that accepts a stream ticket instead of the header Authorization."""
PARAMETER: Final = "ticket"
_MORE_THAN_ONE: Final = "must not be repeated"
_BOTH: Final = "must not be sent together with the header Authorization"


def take_ticket(scope: HTTPScope | WebSocketScope) -> str | None:
    """Removes the ticket from the query, so that it is never logged, and returns it. Raises InvalidParameter."""
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

"""Stream tickets, in memory."""

from datetime import datetime

from domain.access.stream_ticket import StreamTicket


class MemoryStreamTickets:
    """Each call commits on its own."""

    def __init__(self) -> None:
        self._tickets: dict[bytes, StreamTicket] = {}

    async def add(self, ticket: StreamTicket, now: datetime) -> None:
        kept = {name: other for name, other in self._tickets.items() if other.expires_at > now}
        self._tickets = kept | {ticket.secret_hash: ticket}

    async def take(self, secret_hash: bytes) -> StreamTicket | None:
        return self._tickets.pop(secret_hash, None)

"""Port: stored stream tickets, which were issued and not used yet."""

from datetime import datetime
from typing import Protocol

from domain.access.stream_ticket import StreamTicket


class StreamTickets(Protocol):
    """Tickets of all tenants. Every call is a commit of its own."""

    async def add(self, ticket: StreamTicket, now: datetime) -> None:
        """Stores a ticket, and deletes those that have expired. Raises DatabaseUnavailable."""

    async def take(self, secret_hash: bytes) -> StreamTicket | None:
        """Deletes a ticket and returns it; None where there is none. Of several calls, in any number of processes, one
        gets it. Raises DatabaseUnavailable."""

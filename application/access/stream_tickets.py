"""Issues stream tickets and redeems them."""

import asyncio
from collections.abc import Callable
from typing import Final, Protocol

from application.ports.clock import Clock
from application.ports.storage.stream_tickets import StreamTickets
from domain.access.credentials import InvalidCredentials
from domain.access.principal import Principal
from domain.access.stream_ticket import (
    SECRET_BYTES,
    InvalidTicket,
    NewStreamTicket,
    make_stream_ticket,
    ticket_hash,
)

MAX_LOOKUPS: Final = 3
"""Concurrent look-ups: anyone can make up tickets, and the database has connections for few."""


class Rechecks(Protocol):
    """Knows whether a credential still counts."""

    async def recheck(self, principal: Principal) -> None:
        """Raises InvalidCredentials, DatabaseUnavailable."""


class StreamTicketService:
    """A ticket gives what its owner's credential gives, reading alone, and no longer than that credential counts."""

    def __init__(
        self, tickets: StreamTickets, clock: Clock, randomness: Callable[[int], bytes], access: Rechecks
    ) -> None:
        """`randomness` returns that many unpredictable bytes."""
        self._tickets = tickets
        self._clock = clock
        self._randomness = randomness
        self._access = access
        self._lookups = asyncio.Semaphore(MAX_LOOKUPS)

    async def issue(self, principal: Principal) -> NewStreamTicket:
        """A new ticket for the principal. Raises DatabaseUnavailable."""
        now = self._clock.now()
        made = make_stream_ticket(self._randomness(SECRET_BYTES), principal, now)
        await self._tickets.add(made.stored, now)
        return made

    async def redeem(self, text: str) -> Principal:
        """The principal of the stream. The ticket is used up, even if the request fails later. Raises InvalidTicket,
        InvalidCredentials, DatabaseUnavailable."""
        hashed = ticket_hash(text)
        async with self._lookups:
            ticket = await self._tickets.take(hashed)
        if ticket is None or self._clock.now() >= ticket.expires_at:
            raise InvalidTicket("the stream ticket was used, has expired, or never existed: request a new one")
        principal = ticket.principal()
        await self.recheck(principal)
        return principal

    async def recheck(self, principal: Principal) -> None:
        """Checks that the credential behind a redeemed ticket still counts. Raises InvalidCredentials,
        DatabaseUnavailable."""
        if principal.expires_at is not None and self._clock.now() >= principal.expires_at:
            raise InvalidCredentials("the credential that the stream ticket was issued to has expired")
        await self._access.recheck(principal)

"""The contract of stores of stream tickets."""

import asyncio
from datetime import datetime

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.memory.access.stream_tickets import MemoryStreamTickets
from adapters.postgres.access.stream_tickets import PostgresStreamTickets
from adapters.postgres.connection.engine import create_engine
from application.ports.storage.stream_tickets import StreamTickets
from application.ports.storage.unit_of_work import DatabaseUnavailable
from domain.access.principal import Principal
from domain.access.stream_ticket import StreamTicket, make_stream_ticket
from tests.support.operations import at


def ticket(number: int, *, until: float = 60, credential_until: datetime | None = None) -> StreamTicket:
    """A distinct ticket."""
    credential = f"key {number}" if number % 2 else None
    return StreamTicket(number.to_bytes(32), f"tenant {number}", credential, credential_until, at(until))


class StreamTicketsContract:
    """The contract. Subclasses provide the store, and another process's instance of it."""

    @pytest.fixture
    def tickets(self) -> StreamTickets:
        raise NotImplementedError

    @pytest.fixture
    def elsewhere(self, tickets: StreamTickets) -> StreamTickets:
        """The store in another process."""
        raise NotImplementedError

    async def test_a_ticket_is_taken_once_by_any_process(
        self, tickets: StreamTickets, elsewhere: StreamTickets
    ) -> None:
        """It has every field. Other tickets stay."""
        stored = [ticket(1, credential_until=at(30)), ticket(2)]
        for one in stored:
            await tickets.add(one, at(0))
        assert await elsewhere.take(stored[0].secret_hash) == stored[0]
        for store in (tickets, elsewhere):
            assert await store.take(stored[0].secret_hash) is None
        assert await tickets.take(stored[1].secret_hash) == stored[1]

    async def test_an_unknown_ticket_is_none(self, tickets: StreamTickets) -> None:
        """It was never issued."""
        assert await tickets.take(ticket(1).secret_hash) is None

    async def test_one_of_twenty_concurrent_calls_gets_the_ticket(
        self, tickets: StreamTickets, elsewhere: StreamTickets
    ) -> None:
        """From two processes."""
        await tickets.add(ticket(1), at(0))
        calls = [store.take(ticket(1).secret_hash) for _ in range(10) for store in (tickets, elsewhere)]
        assert [one for one in await asyncio.gather(*calls) if one is not None] == [ticket(1)]

    async def test_adding_a_ticket_deletes_expired_ones(self, tickets: StreamTickets) -> None:
        """The others stay."""
        for number, until in ((1, 10), (2, 20), (3, 30)):
            await tickets.add(ticket(number, until=until), at(0))
        await tickets.add(ticket(4, until=80), at(20))
        left = [await tickets.take(ticket(number).secret_hash) for number in range(1, 5)]
        assert left == [None, None, ticket(3, until=30), ticket(4, until=80)]

    async def test_concurrent_additions_do_not_deadlock(self, tickets: StreamTickets, elsewhere: StreamTickets) -> None:
        """They delete the same expired tickets."""
        for number in range(1, 40):
            await tickets.add(ticket(number, until=10), at(0))
        stores = (tickets, elsewhere) * 5
        await asyncio.gather(*(store.add(ticket(100 + n), at(20)) for n, store in enumerate(stores)))
        found = [await tickets.take(ticket(100 + n).secret_hash) for n in range(10)]
        assert found == [ticket(100 + n) for n in range(10)]


class TestMemory(StreamTicketsContract):
    @pytest.fixture
    def tickets(self) -> StreamTickets:
        return MemoryStreamTickets()

    @pytest.fixture
    def elsewhere(self, tickets: StreamTickets) -> StreamTickets:
        """The store in another process."""
        return tickets


class TestPostgres(StreamTicketsContract):
    @pytest.fixture
    def tickets(self, postgres_engine: AsyncEngine) -> StreamTickets:
        return PostgresStreamTickets(postgres_engine)

    @pytest.fixture
    def elsewhere(self, tickets: StreamTickets, postgres_engine: AsyncEngine) -> StreamTickets:
        """The store in another process."""
        return PostgresStreamTickets(postgres_engine)

    async def test_the_text_is_not_stored(self, tickets: StreamTickets, postgres_engine: AsyncEngine) -> None:
        made = make_stream_ticket(b"\xff" * 20, Principal("t", credential="key abc"), at(0))
        await tickets.add(made.stored, at(0))
        async with postgres_engine.connect() as connection:
            found = await connection.execute(text("SELECT stream_tickets::text FROM opledger.stream_tickets"))
            row = found.scalar_one()
        assert "key abc" in row
        assert made.text.removeprefix("opt_") not in row

    async def test_unreachable_database_raises_unavailable(self) -> None:
        tickets = PostgresStreamTickets(create_engine("postgresql://u:secret@127.0.0.1:1/none"))
        for call in (tickets.add(ticket(1), at(0)), tickets.take(ticket(1).secret_hash)):
            with pytest.raises(DatabaseUnavailable):
                await call

"""Contract of the figures about operations that need attention and that wait for their start."""

from datetime import timedelta

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.connection.driver import connector
from adapters.postgres.figures import SCANNED
from adapters.postgres.operations.operation_queries import PostgresQueries
from application.ports.storage.operation_queries import AtLeast
from domain.operation.attention import AttentionKind
from domain.operation.status import OperationStatus
from tests.contract.storage.operations.test_operation_queries import attentive, change_to, with_fields
from tests.contract.storage.operations.test_operation_repository import accepted_change
from tests.contract.storage.stores import OnMemory, OnPostgres, Store, add
from tests.support.operations import T0, at

A, R, C, _ = OperationStatus
STALLED, NO_WORKER = AttentionKind.STALLED, AttentionKind.NO_WORKER


class FiguresContract:
    """Of one tenant."""

    async def test_operations_that_need_attention_are_counted_up_to_a_limit(self, store: Store) -> None:
        """Of any kind, of one type or of all."""
        await add(store, accepted_change(1), attentive(accepted_change(2), NO_WORKER))
        await add(store, *(attentive(change_to(R, number, type_name="order"), STALLED) for number in (3, 4)))
        await add(store, attentive(change_to(C, 5, tenant="other"), AttentionKind.DIVERGED))
        queries = store.queries("default")
        assert await queries.count_attentive(None, 3) == AtLeast(3, more=False)
        assert await queries.count_attentive(None, 2) == AtLeast(2, more=True)
        assert await queries.count_attentive("order", 2) == AtLeast(2, more=False)
        assert await queries.count_attentive("order", 1) == AtLeast(1, more=True)
        assert await queries.count_attentive("unknown", 1) == AtLeast(0, more=False)
        assert await store.queries("none").count_attentive(None, 3) == AtLeast(0, more=False)

    async def test_the_oldest_waits_since_its_acceptance(self, store: Store) -> None:
        """Whether its workflow is started in Temporal or not. Other statuses and tenants do not count."""
        assert await store.queries("default").waiting_since(at(100)) is None
        await add(store, change_to(R, 1, 1), change_to(C, 2, 2), accepted_change(3, 3, tenant="other"))
        assert await store.queries("default").waiting_since(at(100)) is None
        await add(store, accepted_change(4, 5), accepted_change(5, 4))
        assert await store.queries("default").waiting_since(at(100)) == at(4)

    async def test_an_operation_with_a_later_start_waits_from_then_on(self, store: Store) -> None:
        """Before it does not wait at all."""
        later = with_fields(accepted_change(1, 1), start_at=at(50))
        await add(store, later)
        queries = store.queries("default")
        assert await queries.waiting_since(at(49)) is None
        assert await queries.waiting_since(at(50)) == at(50)
        await add(store, accepted_change(2, 20))
        assert await queries.waiting_since(at(49)) == at(20)
        assert await queries.waiting_since(at(60)) == at(20)

    @pytest.mark.parametrize("text", ["a\x00b"])
    async def test_texts_that_no_row_can_have_match_nothing(self, store: Store, text: str) -> None:
        """Every query treats such texts so."""
        await add(store, attentive(accepted_change(1), NO_WORKER))
        assert await store.queries(text).count_attentive(None, 3) == AtLeast(0, more=False)
        assert await store.queries("default").count_attentive(text, 3) == AtLeast(0, more=False)
        assert await store.queries(text).waiting_since(T0 + timedelta(days=1)) is None


class TestMemory(OnMemory, FiguresContract):
    pass


class TestPostgres(OnPostgres, FiguresContract):
    pass


MANY = """
INSERT INTO opledger.operations (id, tenant, type, status, labels, accepted_at, start_at, updated_at, dispatch_due_at,
    dispatch_attempts, follow_up_attempts, version, history_length, attention_kind, attention_since, attention_message)
SELECT lpad(to_hex(n), 32, '0')::uuid, 'default', 'deploy', 'ACCEPTED', '{}', now(), now() + interval '1 day', now(),
    now() + interval '1 day', 0, 0, 1, 1, 'NO_WORKER', now(), 'none'
FROM generate_series(1, $1::integer) AS n
"""


async def test_of_very_many_the_number_of_a_type_is_a_lower_bound(
    postgres_engine: AsyncEngine, database_url: str
) -> None:
    """The page does not read them all."""
    connection = await connector(database_url)()
    await connection.execute(MANY, SCANNED + 1)
    await connection.close()
    queries = PostgresQueries(postgres_engine)("default")
    assert await queries.count_attentive("order", 100) == AtLeast(0, more=True)
    assert await queries.count_attentive("deploy", 100) == AtLeast(100, more=True)

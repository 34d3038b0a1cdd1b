"""Operations that make no progress, on the real servers: the row says why, and takes it back."""

from datetime import UTC, datetime, timedelta

import pytest
from temporalio.client import Client

from adapters.temporal.executions.pollers import POLLER_TIMEOUT
from application.ports.storage.operation_queries import OperationFilter
from domain.evidence.problem import WORKER_GRACE
from domain.operation.attention import AttentionKind
from domain.operation.operation import Operation
from domain.operation.status import OperationStatus
from domain.operation.transition import Source
from tests.support.ledger.real import NOBODY, TENANT, RealLedger, real_ledger
from tests.support.temporal.ledger_workflows import TEAM_QUEUE

ACCEPTED, RUNNING = OperationStatus.ACCEPTED, OperationStatus.RUNNING


class AheadClock:
    """The machine's clock, ahead by what the test sets."""

    ahead = timedelta()

    def now(self) -> datetime:
        return datetime.now(UTC) + self.ahead


def said(row: Operation) -> tuple[AttentionKind, str]:
    assert row.attention is not None
    return row.attention.kind, row.attention.message


async def test_no_worker_at_all(temporal_client: Client, database_url: str) -> None:
    """P9: ACCEPTED, and after half a minute the row says that no worker polls the queue; a filter finds it."""
    clock = AheadClock()
    async with real_ledger(temporal_client, database_url, engine_clock=clock) as ledger:
        operation_id = await ledger.dispatched("nobody")
        assert (await ledger.look(operation_id)).attention is None
        clock.ahead = WORKER_GRACE + timedelta(seconds=5)
        row = await ledger.looked(operation_id, lambda row: row.attention is not None)
        assert row.status is ACCEPTED
        kind, message = said(row)
        assert kind is AttentionKind.NO_WORKER
        assert message.startswith(f'no worker polls task queue "{NOBODY}"')
        assert (await ledger.history(operation_id))[-1].source is Source.VERIFICATION
        criteria = OperationFilter(attentions=frozenset({AttentionKind.NO_WORKER}))
        page = await ledger.api.read().page(TENANT, criteria, newest_first=True, after=None, size=10)
        assert [one.id for one in page.items] == [operation_id]


async def test_the_start_watch_says_it_too(temporal_client: Client, database_url: str) -> None:
    """Without a look that is due."""
    clock = AheadClock()
    clock.ahead = WORKER_GRACE + timedelta(seconds=5)
    async with (
        real_ledger(temporal_client, database_url, engine_clock=clock) as ledger,
        ledger.working(loops=("start watch",)),
    ):
        operation_id = await ledger.dispatched("nobody")
        row = await ledger.until(operation_id, lambda row: row.attention is not None)
        assert said(row)[0] is AttentionKind.NO_WORKER


async def running_then_alone(ledger: RealLedger, type_name: str) -> Operation:
    """Started by a worker that goes away then."""
    async with ledger.working():
        operation_id = await ledger.submit(type_name)
        return await ledger.until(operation_id, lambda row: row.status is RUNNING)


@pytest.mark.parametrize("type_name", ["Sleeper-team", "Silent-team"])
async def test_worker_that_dies_after_the_start(temporal_client: Client, database_url: str, type_name: str) -> None:
    """P9: RUNNING, and the row says that the worker is gone; a worker that comes back clears it."""
    clock = AheadClock()
    async with real_ledger(temporal_client, database_url, engine_clock=clock) as ledger:
        operation_id = (await running_then_alone(ledger, type_name)).id
        assert (await ledger.look(operation_id)).attention is None
        clock.ahead = POLLER_TIMEOUT + timedelta(minutes=2)
        kind, message = said(await ledger.looked(operation_id, lambda row: row.attention is not None))
        assert kind is AttentionKind.NO_WORKER
        assert message.startswith(f'no worker polls task queue "{TEAM_QUEUE}"; the last one was ')
        clock.ahead = timedelta()
        async with ledger.working(loops=()):
            await ledger.looked(operation_id, lambda row: row.attention is None)
        await ledger.handle(operation_id).terminate()


async def test_activity_that_keeps_failing(temporal_client: Client, database_url: str) -> None:
    """P9: the row names the activity, the queue, the number of failures and the last one's root cause."""
    async with real_ledger(temporal_client, database_url) as ledger, ledger.working():
        operation_id = await ledger.submit("KeepsTrying-team")
        await ledger.until(operation_id, lambda row: row.status is RUNNING)
        kind, message = said(await ledger.looked(operation_id, lambda row: row.attention is not None))
        assert kind is AttentionKind.ACTIVITY_RETRYING
        assert message.startswith('activity "find_no_route" (1) on task queue "team-under-test" has failed ')
        assert message.endswith("last failure: ConnectionError: no route to host")
        await ledger.handle(operation_id).terminate()


async def test_running_shows_without_a_report(temporal_client: Client, database_url: str) -> None:
    """The start watch alone finds it: nothing is reported, and no question is due."""
    async with real_ledger(temporal_client, database_url) as ledger, ledger.working(loops=("dispatch", "start watch")):
        operation_id = await ledger.submit("Silent-team")
        row = await ledger.until(operation_id, lambda row: row.status is RUNNING)
        assert row.started_at is not None
        assert (await ledger.history(operation_id))[-1].source is Source.CONFIRMATION
        await ledger.handle(operation_id).terminate()


@pytest.mark.parametrize("taken", [True, False], ids=["running", "never taken"])
async def test_close_poll_alone_brings_the_end(temporal_client: Client, database_url: str, taken: bool) -> None:
    """P4 where callbacks are off: no report, no pass, no look."""
    loops = ("dispatch", "close poll", *(["start watch"] if taken else []))
    async with real_ledger(temporal_client, database_url) as ledger, ledger.working(loops=loops):
        operation_id = await ledger.submit("Silent-team" if taken else "nobody")
        dispatched = RUNNING if taken else ACCEPTED
        await ledger.until(operation_id, lambda row: row.status is dispatched and row.dispatch.done_at is not None)
        await ledger.handle(operation_id).terminate(reason="too dear")
        row = await ledger.done(operation_id)
        assert row.error is not None
        assert row.error.message == "too dear"
        assert (await ledger.history(operation_id))[-1].source is Source.RECONCILIATION
        assert await ledger.path(operation_id) == ["ACCEPTED", *(["RUNNING"] if taken else []), "FAILED"]

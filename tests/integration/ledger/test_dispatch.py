"""Accepting, starting and cancelling on the real servers, while connections are cut: hazards 2 to 5."""

import asyncio
from collections.abc import AsyncIterator
from datetime import timedelta

import pytest
from dependency_injector import providers
from sqlalchemy import text
from temporalio.client import Client

from domain.operation.attention import AttentionKind
from domain.operation.operation_error import ErrorCode
from domain.operation.operation_type import OperationCatalogue
from domain.operation.status import OperationStatus
from domain.operation.transition import Source
from entrypoints.wiring.worker import WorkerServices
from tests.support.eventually import eventually
from tests.support.ledger.claims import run_once
from tests.support.ledger.real import CATALOGUE, RealLedger, lose_report, real_ledger
from tests.support.tcp_proxy import Proxy

ACCEPTED, RUNNING = OperationStatus.ACCEPTED, OperationStatus.RUNNING
COMPLETED, FAILED = OperationStatus.COMPLETED, OperationStatus.FAILED
WHOLE_LIFE = ["ACCEPTED", "RUNNING", "COMPLETED"]


@pytest.fixture
async def proxy(temporal_address: str) -> AsyncIterator[Proxy]:
    """Between the services and Temporal; the workers have the server's own address."""
    proxy = Proxy(temporal_address)
    await proxy.up()
    yield proxy
    await proxy.down()


@pytest.fixture
async def ledger(temporal_client: Client, database_url: str, proxy: Proxy) -> AsyncIterator[RealLedger]:
    """A ledger behind the proxy."""
    cut_off = await Client.connect(proxy.address)
    async with real_ledger(temporal_client, database_url, engine_client=cut_off) as ledger:
        yield ledger


async def test_reply_to_the_start_is_lost(ledger: RealLedger, proxy: Proxy) -> None:
    """Hazards 3 and 4: the server took the start, its answer was lost, and by the time of the retry the workflow has
    closed: one execution, and its result."""
    operation_id = await ledger.submit("Echo-team", {"n": 1})
    await ledger.engine.ping()
    proxy.lose_next_reply()
    step = await run_once(ledger.worker.dispatcher(), 1)
    assert (step.found, step.engine_available) == (1, False)
    row = await ledger.row(operation_id)
    assert (row.status, row.dispatch.attempts, row.dispatch.done_at) == (ACCEPTED, 1, None)
    async with ledger.working(activities=[lose_report], loops=()):
        await ledger.handle(operation_id).result()
    async with ledger.working():
        row = await ledger.done(operation_id)
    assert (row.status, row.result, row.dispatch.attempts) == (COMPLETED, {"n": 1}, 2)
    assert await ledger.path(operation_id) == WHOLE_LIFE

    async def indexed() -> bool:
        return (await ledger.client.count_workflows(f"WorkflowId = '{operation_id}'")).count > 0

    await eventually(indexed)
    assert (await ledger.client.count_workflows(f"WorkflowId = '{operation_id}'")).count == 1


async def test_bad_rows_stop_no_other(ledger: RealLedger) -> None:
    """Hazard 5: one that the server refuses for good has its words, one of a type that this process does not know is
    tried again, and all others run, in the same step."""
    impossible = await ledger.submit("impossible")
    unknown = await ledger.submit("NoArgument-team")
    good = [await ledger.submit("Echo-ledger", number) for number in range(5)]
    known = {name: declared for name, declared in CATALOGUE.types.items() if name != "NoArgument-team"}
    outdated = WorkerServices(**ledger.parts | {"catalogue": providers.Object(OperationCatalogue(known))})
    assert (await run_once(outdated.dispatcher(), 100)).found == 7
    row = await ledger.row(impossible)
    assert row.error is not None
    assert row.error.code is ErrorCode.START_REJECTED
    assert row.error.message == "task queue name cannot start with reserved prefix /_sys/"
    waiting = await ledger.row(unknown)
    assert waiting.attention is not None
    assert (waiting.status, waiting.attention.kind) == (ACCEPTED, AttentionKind.DISPATCH_RETRYING)
    async with ledger.working():
        assert [(await ledger.done(operation_id)).result for operation_id in good] == list(range(5))
        assert (await ledger.done(unknown)).status is COMPLETED


async def test_temporal_away_and_back(ledger: RealLedger, proxy: Proxy) -> None:
    """P5, hazard 2: accepted while Temporal is down, visible as waiting, started as soon as it is back."""
    async with ledger.working():
        await proxy.down()
        operation_id = await ledger.submit("Echo-team", "in the end")
        row = await ledger.until(operation_id, lambda row: row.dispatch.attempts > 1 and row.attention is not None)
        assert row.status is ACCEPTED
        await proxy.up()
        row = await ledger.done(operation_id)
    assert (row.status, row.result, row.attention) == (COMPLETED, "in the end", None)
    lines = await ledger.history(operation_id)
    attempts = [line.details["attempt"] for line in lines if line.source is Source.DISPATCHER]
    assert attempts == list(range(1, len(attempts) + 1))


async def test_cancel_while_temporal_is_away(ledger: RealLedger, proxy: Proxy) -> None:
    """P5: a cancel is taken while Temporal is down, and arrives when it is back."""
    async with ledger.working():
        operation_id = await ledger.running("Sleeper-team")
        await proxy.down()
        await ledger.cancel(operation_id)
        assert (await ledger.row(operation_id)).cancel_pending
        await proxy.up()
        row = await ledger.done(operation_id)
    assert row.error is not None
    assert (row.error.code, row.error.message) == (ErrorCode.CANCELED, "no need")


async def test_competing_dispatchers_start_each_operation_once(temporal_client: Client, database_url: str) -> None:
    """P1: three processes dispatch at once: each operation is started by one of them, and runs once."""
    async with (
        real_ledger(temporal_client, database_url) as one,
        real_ledger(temporal_client, database_url) as two,
        real_ledger(temporal_client, database_url) as three,
    ):
        ledgers = [one, two, three]
        ids = [await one.submit("Echo-ledger", number) for number in range(30)]
        steps = await asyncio.gather(*(run_once(ledger.worker.dispatcher(), 20) for ledger in ledgers * 2))
        assert sum(step.found for step in steps) == 30
        assert sorted(call for ledger in ledgers for call in ledger.engine.calls["start"]) == sorted(ids)
        async with one.working():
            assert [(await one.done(operation_id)).result for operation_id in ids] == list(range(30))
        for operation_id in ids:
            assert await one.path(operation_id) == WHOLE_LIFE


async def test_dispatcher_that_died_after_its_claim(temporal_client: Client, database_url: str) -> None:
    """Hazard 2: what a dead dispatcher had claimed is taken up by another once the lease is over, and not before."""
    async with real_ledger(temporal_client, database_url) as ledger:
        operation_id = await ledger.submit("Echo-ledger", 1)
        async with ledger.adapters.units()() as unit:
            now = ledger.adapters.clock().now()
            assert len(await unit.operations.claim_due_dispatches(now, timedelta(hours=1), 10)) == 1
            await unit.commit()
        assert (await run_once(ledger.worker.dispatcher(), 10)).found == 0
        async with ledger.adapters.database().begin() as connection:  # as time does
            await connection.execute(text("UPDATE opledger.operations SET dispatch_due_at = now() - interval '1 s'"))
        async with ledger.working():
            row = await ledger.done(operation_id)
        assert (row.status, row.dispatch.attempts) == (COMPLETED, 2)

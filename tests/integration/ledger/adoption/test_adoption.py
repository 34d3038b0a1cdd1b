"""Adoption on the real servers: by watch rule and by call, of what clients, Schedules and parents start."""

import asyncio
from datetime import timedelta
from uuid import uuid4

import pytest
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionStartWorkflow,
    ScheduleSpec,
    ScheduleState,
    WorkflowExecutionStatus,
)
from temporalio.common import SearchAttributePair, TypedSearchAttributes

from application.adopt.adopt import ExecutionNotFound
from application.submit.record_start import ClientStart
from domain.operation.operation import Operation
from domain.operation.operation_error import ErrorCode
from domain.operation.operation_type import OperationCatalogue, OperationType
from domain.operation.origin import Origin
from domain.operation.status import OperationStatus
from domain.operation.transition import Source
from entrypoints.local.embedded.postgres import EmbeddedPostgres
from opledger.search_attribute import OPERATION_UUID
from tests.support.eventually import eventually
from tests.support.ledger.real import NOBODY
from tests.support.ledger.shop import Shop, adopt, adopted, begun, by_workflow_id, looping, strays
from tests.support.postgres.server import own_database

RUNNING, COMPLETED, FAILED = OperationStatus.RUNNING, OperationStatus.COMPLETED, OperationStatus.FAILED
RACES = 10


@pytest.fixture
async def shop(temporal_client: Client) -> Shop:
    return Shop(temporal_client)


async def test_watch_rule_adopts_and_the_callback_announces_the_end(shop: Shop, database_url: str) -> None:
    """Without any code of the ledger in workflow, worker and client."""
    async with shop.ledger(database_url) as ledger, shop.worker(), looping(ledger, "watch rules", "start watch"):
        await begun(ledger)
        completed, killed = await shop.start(), await shop.start()
        rows = await adopted(ledger, completed, killed)
        for row in rows:
            await ledger.until(row.id, lambda row: row.status is RUNNING and row.dispatch.calls_back)
        await shop.client.get_workflow_handle(completed).signal("end")
        await shop.client.get_workflow_handle(killed).terminate(reason="too dear")
        ends = [await ledger.done(row.id) for row in rows]
        assert [(row.status, row.result) for row in ends] == [(COMPLETED, "done"), (FAILED, None)]
        assert all(row.origin is Origin.ADOPTED and row.labels == {"team": "shop"} for row in ends)
        assert all(row.input == "cart" for row in ends)
        for row in ends:
            lines = await ledger.history(row.id)
            assert (lines[0].source, lines[-1].source) == (Source.ADOPTION, Source.CALLBACK)


async def test_watch_rule_attaches_the_callback_of_a_start_that_was_not_reported(shop: Shop, database_url: str) -> None:
    """P4: the client that recorded the start was killed before its report. No close poll runs."""
    async with shop.ledger(database_url) as ledger, shop.worker(), looping(ledger, "watch rules"):
        await begun(ledger)
        start = ClientStart("default", shop.workflow, f"order-{uuid4()}")
        recorded = (await ledger.api.record().record(start)).operation
        own = TypedSearchAttributes([SearchAttributePair(OPERATION_UUID, str(recorded.id))])
        await shop.client.start_workflow(
            shop.workflow, "cart", id=start.workflow_id, task_queue=shop.queue, search_attributes=own
        )
        row = await ledger.until(recorded.id, lambda row: row.dispatch.calls_back)
        assert (row.origin, row.type) == (Origin.CLIENT, "order")
        await shop.client.get_workflow_handle(start.workflow_id).terminate(reason="too dear")
        assert (await ledger.done(recorded.id)).status is FAILED
        assert (await ledger.history(recorded.id))[-1].source is Source.CALLBACK
        assert len(await ledger.rows()) == 1


async def test_child_has_the_parent_that_starts_it_at_once(shop: Shop, database_url: str) -> None:
    """Both are adopted by the rule. A child whose parent is unknown has none."""
    async with shop.ledger(database_url) as ledger, shop.worker():
        early, late = f"child-{uuid4()}", f"child-{uuid4()}"
        await shop.client.start_workflow("Other", f"child:{early}", id=f"other-{uuid4()}", task_queue=shop.queue)
        await shop.runs(early)
        await begun(ledger)
        parent = await shop.start(f"child:{late}")
        async with looping(ledger, "watch rules"):
            of_parent, child = await adopted(ledger, parent, late)
        assert (of_parent.parent_id, child.parent_id) == (None, of_parent.id)
        orphan = (await adopt(ledger, early, "other")).operation
        assert (orphan.parent_id, orphan.origin) == (None, Origin.ADOPTED)


async def test_schedule_is_adopted(shop: Shop, database_url: str) -> None:
    """Every execution that it starts."""
    async with shop.ledger(database_url) as ledger, looping(ledger, "watch rules"):
        await begun(ledger)
        action = ScheduleActionStartWorkflow(shop.workflow, "nightly", id=f"nightly-{uuid4()}", task_queue=shop.queue)
        schedule = await shop.client.create_schedule(
            f"schedule-{uuid4()}", Schedule(action, ScheduleSpec(), state=ScheduleState(paused=True))
        )
        try:
            await schedule.trigger()

            async def one_row() -> bool:
                return len(await ledger.rows()) == 1

            await eventually(one_row)
        finally:
            await schedule.delete()
        [row] = await ledger.rows()
        assert row.workflow_id.startswith(action.id)
        assert row.input == "nightly"


async def test_burst_is_adopted_in_pages(shop: Shop, database_url: str) -> None:
    """One description for each, by two workers and many calls at the same time: one row for each."""
    async with shop.ledger(database_url, index_page=20) as ledger:
        await begun(ledger)
        names = await asyncio.gather(*(shop.start() for _ in range(100)))
        async with looping(ledger, "watch rules", "watch rules"):
            await asyncio.gather(*(adopt(ledger, name) for name in names[:20]))
            rows = await adopted(ledger, *names)
        assert len(await ledger.rows()) == 100
        for row in rows:
            # Where no worker has come for long, a line about that follows.
            assert [line.from_status for line in await ledger.history(row.id)].count(None) == 1
        assert len(ledger.engine.calls["describe"]) <= 140


async def test_closed_execution_is_final_at_once(shop: Shop, database_url: str) -> None:
    """With the outcome from the engine's history; a repeat is the same row."""
    async with shop.ledger(database_url) as ledger, shop.worker():
        name = await shop.start()
        handle = shop.client.get_workflow_handle(name)
        await handle.signal("end")
        assert await handle.result() == "done"
        first, again = await adopt(ledger, name), await adopt(ledger, name)
        assert (first.new, again.new) == (True, False)
        assert first.operation == again.operation
        assert (first.operation.status, first.operation.result) == (COMPLETED, "done")
        assert await ledger.path(first.operation.id) == ["ACCEPTED", "RUNNING", "COMPLETED"]
        with pytest.raises(ExecutionNotFound):
            await adopt(ledger, f"unknown-{uuid4()}")


async def test_attaching_races_with_the_close(shop: Shop, database_url: str) -> None:
    """Hazard 39: whichever is first, the end is known, and no stray execution runs."""
    async with shop.ledger(database_url) as ledger, looping(ledger, "follow-up"):

        async def race(delay: float) -> Operation:
            name = await shop.start(queue=NOBODY)

            async def end() -> None:
                await asyncio.sleep(delay)
                await shop.client.get_workflow_handle(name).terminate(reason="too dear")

            made, _ = await asyncio.gather(adopt(ledger, name), end())
            operation: Operation = made.operation
            return operation

        raced = [await race(number * 0.002) for number in range(RACES)]
        for row in raced:
            error = (await ledger.done(row.id)).error
            assert error is not None
            assert (error.code, error.message) == (ErrorCode.TERMINATED, "too dear")
        assert strays(ledger) == 0


async def test_execution_deleted_before_attaching(shop: Shop, database_url: str) -> None:
    """Hazard 39: the stray start is terminated at once and counted, and the operation is lost."""
    async with shop.ledger(database_url, reconcile_grace=timedelta()) as ledger, looping(ledger, "follow-up"):
        name = await shop.start()

        async def delete() -> None:
            await shop.client.get_workflow_handle(name).terminate()
            await shop.delete(name)

        ledger.engine.before["attach_callback", None] = delete
        row = (await adopt(ledger, name)).operation
        assert strays(ledger) == 1
        stray = await shop.client.get_workflow_handle(name).describe()
        assert stray.status is WorkflowExecutionStatus.TERMINATED
        error = (await ledger.done(row.id)).error
        assert error is not None
        # The server keeps the history of a deleted run for a while.
        assert error.code in (ErrorCode.EXECUTION_LOST, ErrorCode.TERMINATED)
        # The next description takes the stray execution for none.
        with pytest.raises(ExecutionNotFound):
            await adopt(ledger, name)


async def test_end_without_callbacks_is_found_by_the_close_poll(shop: Shop, database_url: str) -> None:
    """P4, callbacks off: by the workflow id, because the execution has no `OperationUUID`."""
    loops = ("watch rules", "close poll")
    async with shop.ledger(database_url, callbacks=False) as ledger, looping(ledger, *loops):
        await begun(ledger)
        name = await shop.start()
        [row] = await adopted(ledger, name)
        await shop.client.get_workflow_handle(name).terminate(reason="too dear")
        assert (await ledger.done(row.id)).status is FAILED
        assert (await ledger.history(row.id))[-1].source in (Source.RECONCILIATION, Source.ADOPTION)


async def test_end_of_a_type_without_a_rule_is_found_by_the_close_poll(shop: Shop, database_url: str) -> None:
    """P4, callbacks off: adopted on request, the execution is watched while its operation is open."""
    shop.catalogue = OperationCatalogue({"order": OperationType("order", shop.workflow, shop.queue)})
    async with shop.ledger(database_url, callbacks=False) as ledger, looping(ledger, "close poll"):
        name = await shop.start()
        row = (await adopt(ledger, name)).operation
        await shop.client.get_workflow_handle(name).terminate(reason="too dear")
        assert (await ledger.done(row.id)).status is FAILED
        assert (await ledger.history(row.id))[-1].source is Source.RECONCILIATION


async def test_adopted_execution_can_be_cancelled(shop: Shop, database_url: str) -> None:
    """Through the API, by its chain."""
    async with shop.ledger(database_url) as ledger, shop.worker(), looping(ledger, "follow-up"):
        row = (await adopt(ledger, await shop.start())).operation
        await ledger.cancel(row.id)
        error = (await ledger.done(row.id)).error
        assert error is not None
        assert error.code is ErrorCode.CANCELED


async def test_two_ledgers_on_one_namespace(shop: Shop, database_url: str, postgres_server: EmbeddedPostgres) -> None:
    """Hazard 42: each adopts by its own rules, and gets its own callback, also after the other is gone."""
    both = Shop(shop.client, shop.workflow)
    refund = OperationType("refund", f"Refund{uuid4().hex}", shop.queue, adopt=True)
    sale = OperationType("sale", shop.workflow, shop.queue, adopt=True, labels={"team": "finance"})
    both.catalogue = OperationCatalogue({"sale": sale, "refund": refund})
    async with own_database(postgres_server) as other_url, both.ledger(other_url) as second:
        async with shop.ledger(database_url) as first, looping(first, "watch rules"), looping(second, "watch rules"):
            for ledger in (first, second):
                await begun(ledger)
            refunded = f"refund-{uuid4()}"
            await shop.client.start_workflow(refund.workflow, id=refunded, task_queue=shop.queue)
            name, later = await shop.start(), await shop.start()
            rows = [(await adopted(ledger, name, later))[0] for ledger in (first, second)]
            assert rows[0].id == rows[1].id
            assert [(row.type, row.labels) for row in rows] == [
                ("order", {"team": "shop"}),
                ("sale", {"team": "finance"}),
            ]
            [other] = await adopted(second, refunded)
            assert (await by_workflow_id(first)).keys() == {name, later}
            for ledger in (first, second):
                for row in await adopted(ledger, name, later):
                    await ledger.until(row.id, lambda row: row.dispatch.calls_back)
            await shop.client.get_workflow_handle(name).terminate(reason="too dear")
            for ledger in (first, second):
                assert (await ledger.done(rows[0].id)).status is FAILED
                assert (await ledger.history(rows[0].id))[-1].source is Source.CALLBACK
        await second.until(other.id, lambda row: row.dispatch.calls_back)
        [last] = await adopted(second, later)
        for workflow_id, row in ((later, last), (refunded, other)):
            await shop.client.get_workflow_handle(workflow_id).terminate(reason="too dear")
            await second.done(row.id)
            assert (await second.history(row.id))[-1].source is Source.CALLBACK

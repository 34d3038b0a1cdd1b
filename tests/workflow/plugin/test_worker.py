"""Worker side of the plugin: every workflow is an operation, without a change of its code."""

from collections.abc import AsyncIterator
from typing import Any
from uuid import uuid4

import pytest
from temporalio.client import (
    Client,
    Schedule,
    ScheduleActionExecutionStartWorkflow,
    ScheduleActionStartWorkflow,
    ScheduleSpec,
    WorkflowExecutionDescription,
)
from temporalio.common import SearchAttributePair, TypedSearchAttributes
from temporalio.service import RPCError

from opledger import MEMO, OPERATION_UUID, OutcomeReports, UpdateKind, adopted_operation_id
from tests.support.eventually import eventually
from tests.workflow.conftest import Starter
from tests.workflow.ledger import RecordingLedger
from tests.workflow.plugin import plain
from tests.workflow.plugin.ledger_api import LedgerApi, ledger_api
from tests.workflow.plugin.plain import PLAIN
from tests.workflow.plugin.plugged import TRANSPORTS, Team, adopted, team
from tests.workflow.reporting import DecoratedContinuesFirst
from tests.workflow.sending import Send, send_until_closed, signal, update
from tests.workflow.workflows import Derived, Talkative


@pytest.fixture(scope="module")
async def api() -> AsyncIterator[LedgerApi]:
    """The ledger's API."""
    async with ledger_api() as serving:
        yield serving


@pytest.fixture(scope="module", params=TRANSPORTS)
async def plugged(
    request: pytest.FixtureRequest, temporal_client: Client, ledger: RecordingLedger, api: LedgerApi
) -> AsyncIterator[Team]:
    """A worker with the plugin, for each transport."""
    workflows = [*PLAIN, Derived, Talkative, DecoratedContinuesFirst]
    async with team(temporal_client, request.param, api, ledger, workflows=workflows) as running:
        yield running


async def started(plugged: Team, operation_id: str, times: int = 1) -> None:
    """Waits for start reports. A workflow does not wait for them: one that ends at once may lose its own."""
    await eventually(lambda: plugged.kinds(operation_id).count(UpdateKind.STARTED) == times)


async def operation_of(plugged: Team, workflow_id: str) -> tuple[str, str]:
    """The operation's id of a workflow that another one started, and its first run id."""

    async def describe() -> WorkflowExecutionDescription | None:
        try:
            return await plugged.client.get_workflow_handle(workflow_id).describe()
        except RPCError:
            return None

    first = (await eventually(describe)).raw_info.first_run_id
    return adopted_operation_id("default", workflow_id, first), first


async def test_every_workflow_reports_its_start(plugged: Team) -> None:
    """With the id that every way in computes, and with what the ledger needs to make the operation."""
    handle = await plugged.start(plain.Collects.run)
    operation_id = adopted(handle)
    await started(plugged, operation_id)
    await handle.signal("tell", "half")
    await eventually(lambda: plugged.kinds(operation_id) == [UpdateKind.STARTED, UpdateKind.PROGRESS])
    described = await handle.describe()
    expected = {
        "namespace": "default",
        "workflow_id": handle.id,
        "run_id": handle.first_execution_run_id,
        "first_run_id": handle.first_execution_run_id,
        "workflow_type": "Collects",
        "task_queue": plugged.queue,
        "started_at": described.start_time.isoformat(),
        "parent": None,
    }
    assert plugged.executions(operation_id) == [expected, expected]
    await handle.signal("tell", "bye")
    assert await handle.result() == ["run", "half", "bye"]


async def test_progress_of_handlers_arrives_and_read_only_contexts_report_none(plugged: Team) -> None:
    """A query handler and an update validator do nothing; a signal handler and an update handler report."""
    handle = await plugged.start(plain.Collects.run, start_signal="tell", start_signal_args=["first"])
    operation_id = adopted(handle)
    assert await handle.query("words") != []
    assert await handle.execute_update(plain.Collects.ask, "second") >= 1
    await eventually(lambda: (None, "second") in plugged.progress(operation_id))
    await handle.query("words")
    await handle.signal("tell", "bye")
    assert (await handle.result())[-1] == "bye"
    messages = [message for _, message in plugged.progress(operation_id)]
    assert messages in (["first", "second", "bye"], ["first", "second"])
    assert plugged.kinds(operation_id).count(UpdateKind.STARTED) == 1


async def test_newest_progress_arrives(plugged: Team) -> None:
    """Of parallel steps the last value is reported, and no value after a higher one."""
    handle = await plugged.start(plain.StepsInParallel.run)
    operation_id = adopted(handle)
    await eventually(lambda: (1.0, None) in plugged.progress(operation_id))
    await handle.signal("finish")
    assert await handle.result() == plain.PARALLEL
    fractions = [fraction or 0 for fraction, _ in plugged.progress(operation_id)]
    assert fractions == sorted(set(fractions))


async def test_children_name_their_parents(plugged: Team) -> None:
    """A child is an operation too, and says whose it is."""
    handle = await plugged.start(plain.Family.run, 2)
    ids = [handle.id, f"{handle.id}-child", f"{handle.id}-child-child"]
    parent: dict[str, Any] | None = None
    for workflow_id in ids:
        operation_id, first = await operation_of(plugged, workflow_id)
        await started(plugged, operation_id)
        [execution] = plugged.executions(operation_id)
        assert execution is not None
        assert execution["parent"] == parent
        parent = {"workflow_id": workflow_id, "first_run_id": first, "operation_id": operation_id}
    await plugged.client.get_workflow_handle(ids[-1]).signal("release")
    assert await handle.result() == ids


async def test_child_keeps_its_parent_when_it_continues_as_new(plugged: Team) -> None:
    """Both runs are one operation with the same parent."""
    handle = await plugged.start(plain.ParentOfOneThatContinues.run)
    operation_id, first = await operation_of(plugged, f"{handle.id}-child")
    child = plugged.client.get_workflow_handle(f"{handle.id}-child")
    for run in (1, 2):
        await started(plugged, operation_id, run)
        await child.signal("go_on")
    assert await handle.result() == 0
    executions = [one for one in plugged.executions(operation_id) if one is not None]
    assert [one["run_id"] for one in executions] == [first, (await child.describe()).run_id]
    assert [one["parent"]["operation_id"] for one in executions] == [adopted(handle)] * 2


async def test_chain_is_one_operation(plugged: Team) -> None:
    """Every run reports with the id of the first one."""
    handle = await plugged.start(plain.ContinuesOnSignal.run, 2)
    for run in (1, 2, 3):
        await started(plugged, adopted(handle), run)
        await handle.signal("go_on")
    assert await handle.result() == 0


async def test_workflow_that_is_no_recorded_operation_gets_no_attributes(plugged: Team) -> None:
    """The plugin adds nothing to `continue_as_new`."""
    handle = await plugged.start(plain.Continues.run, 2)
    assert await handle.result() == {"uuid": None, "own": 1, "first": handle.first_execution_run_id}


async def test_scheduled_workflow_is_tracked(plugged: Team) -> None:
    """The server starts it, so no client could."""
    schedule_id = f"nightly-{uuid4()}"
    action = ScheduleActionStartWorkflow(plain.Collects.run, id=schedule_id, task_queue=plugged.queue)
    schedule = await plugged.client.create_schedule(schedule_id, Schedule(action=action, spec=ScheduleSpec()))
    await schedule.trigger()

    async def running() -> str | None:
        recent = (await schedule.describe()).info.recent_actions
        started = [one.action for one in recent if isinstance(one.action, ScheduleActionExecutionStartWorkflow)]
        return started[0].workflow_id if started else None

    workflow_id = await eventually(running)
    await started(plugged, (await operation_of(plugged, workflow_id))[0])
    await plugged.client.get_workflow_handle(workflow_id).signal("tell", "bye")
    await schedule.delete()


async def test_workflow_that_never_waits_reports_nothing(plugged: Team) -> None:
    """An activity scheduled in the task that closes the workflow would not run."""
    handle = await plugged.start(plain.Immediate.run)
    assert await handle.result() == "at once"
    assert plugged.kinds(adopted(handle)) == []


@pytest.mark.parametrize("send", [signal, update])
async def test_nothing_that_is_accepted_before_the_close_is_lost(plugged: Team, send: Send) -> None:
    """P7: the plugin waits for nothing at the end."""
    for _ in range(2):
        handle = await plugged.start(plain.PlainQueue.run, 20)
        accepted = await send_until_closed(handle, send)
        assert sorted(await handle.result()) == sorted(accepted)


async def test_decorated_workflow_has_one_reporter(plugged: Team, start: Starter) -> None:
    """An operation of the ledger whose workflow has the decorator too: each report once, and the outcome by the
    decorator's rules."""
    handle = await start(Derived.run, "you", queue=plugged.queue)
    assert await handle.result() == "hello you!"
    assert sorted(plugged.kinds(handle.id)) in (["completed"], ["completed", "started"])
    with_handlers = await start(Talkative.run, queue=plugged.queue)
    await started(plugged, with_handlers.id)
    await with_handlers.signal("tell", "bye")
    await with_handlers.result()
    assert plugged.kinds(with_handlers.id) in (["started"], ["started", "progress"])
    never = await start(Derived.run, "you", queue=plugged.queue, rule=OutcomeReports.NEVER)
    await never.result()
    assert plugged.kinds(never.id) in ([], ["started"])


async def test_decorated_workflow_of_another_client_is_tracked_too(plugged: Team) -> None:
    """The decorator alone would ignore it. Its outcome comes from Temporal."""
    handle = await plugged.start(Talkative.run)
    await started(plugged, adopted(handle))
    await handle.signal("tell", "bye")
    await handle.result()
    assert plugged.kinds(adopted(handle)) in (["started"], ["started", "progress"])


async def test_operation_with_a_workflow_id_of_its_own_reports_under_its_id(plugged: Team, start: Starter) -> None:
    """The search attribute names the operation, with the ledger's memo."""
    operation_id = str(uuid4())
    attributes = TypedSearchAttributes([SearchAttributePair(OPERATION_UUID, operation_id)])
    handle = await start(plain.Collects.run, id=f"order-{uuid4()}", queue=plugged.queue, search_attributes=attributes)
    await started(plugged, operation_id)
    await handle.signal("tell", "bye")
    await handle.result()
    assert plugged.kinds(adopted(handle)) == []


@pytest.mark.parametrize("decorated", [False, True])
async def test_identity_is_kept_by_a_handler_that_runs_before_the_run_method(
    plugged: Team, start: Starter, decorated: bool
) -> None:
    """`continue_as_new` in a signal handler, before the run method's first step."""
    workflow = DecoratedContinuesFirst if decorated else plain.ContinuesFirst
    handle = await start(workflow.run, 1, queue=plugged.queue, start_signal="go_on", start_signal_args=[0])
    assert await handle.result() == handle.id
    latest = await plugged.client.get_workflow_handle(handle.id).describe()
    assert latest.run_id != handle.first_execution_run_id
    assert await latest.memo_value(MEMO) == {"report_outcome": "when_safe"}


async def test_recorded_operation_keeps_its_identity(plugged: Team, start: Starter) -> None:
    """Without the decorator, over runs that name their own attributes."""
    handle = await start(plain.Continues.run, 2, queue=plugged.queue)
    result = await handle.result()
    assert result["uuid"] == handle.id
    assert set(plugged.kinds(handle.id)) <= {UpdateKind.STARTED}

"""Progress reports: the newest one arrives, with every step, and read-only contexts report nothing."""

import logging
from itertools import pairwise

import pytest
from temporalio.client import Client
from temporalio.worker import Worker

from opledger import ReportedProgress, ReportedStep, UpdateKind
from tests.support.eventually import eventually
from tests.workflow.conftest import Starter
from tests.workflow.ledger import RecordingLedger
from tests.workflow.replay.replaying import replay
from tests.workflow.reporting import PARALLEL, AsksForProgress, HasSteps, InParallel, Works
from tests.workflow.workflows import ACTIVITIES

PROGRESS = UpdateKind.PROGRESS


def fractions(ledger: RecordingLedger, operation_id: str) -> list[float | None]:
    """Reported fractions, in order."""
    return [update.progress.fraction for update in ledger.updates(operation_id) if update.progress is not None]


async def test_read_only_context_reports_nothing(start: Starter, ledger: RecordingLedger, queue: str) -> None:
    """A query handler and an update validator send no report and log none as lost; the body still reports."""
    handle = await start(AsksForProgress.run, queue=queue)
    assert await handle.query("ask") == "answer"
    await handle.execute_update(AsksForProgress.finish)
    assert await handle.result() == "done"
    assert fractions(ledger, handle.id) == [0.9]
    assert await start.task_failures(handle) == []


async def test_workflow_that_was_queried_replays(start: Starter, ledger: RecordingLedger, queue: str) -> None:
    """After a query the live run does not differ from its replay."""
    handle = await start(AsksForProgress.run, queue=queue)
    await handle.query("ask")
    await handle.execute_update(AsksForProgress.finish)
    await handle.result()
    await replay(await handle.fetch_history(), [AsksForProgress])


async def test_queried_workflow_ends_on_another_worker(temporal_client: Client, start: Starter) -> None:
    """After the restart of the worker that answered the query, the next worker replays the workflow."""
    queue = "restarted-after-a-query"
    workflows, activities = [AsksForProgress], ACTIVITIES
    async with Worker(temporal_client, task_queue=queue, workflows=workflows, activities=activities):
        handle = await start(AsksForProgress.run, queue=queue)
        assert await handle.query("ask") == "answer"
    async with Worker(temporal_client, task_queue=queue, workflows=workflows, activities=activities):
        await handle.execute_update(AsksForProgress.finish)
        assert await handle.result() == "done"
    assert await start.task_failures(handle) == []


async def test_newest_progress_of_parallel_activities_arrives(
    start: Starter, ledger: RecordingLedger, queue: str
) -> None:
    """While a report is pending the newest value is kept and sent after it, without the older ones."""
    handle = await start(InParallel.run, True, queue=queue)
    await eventually(lambda: 1.0 in fractions(ledger, handle.id))
    assert fractions(ledger, handle.id) == sorted(fractions(ledger, handle.id), key=float)  # type: ignore[arg-type]
    assert len(fractions(ledger, handle.id)) <= PARALLEL
    await handle.signal(InParallel.finish)
    assert await handle.result() == PARALLEL
    await replay(await handle.fetch_history(), [InParallel])


async def test_one_report_follows_the_one_that_is_held(start: Starter, ledger: RecordingLedger) -> None:
    """All values that are reported while the ledger holds the first one become one more report."""
    operation_id = "00000000-0000-7000-8000-0000000000aa"
    released = ledger.hold(operation_id, PROGRESS)
    handle = await start(InParallel.run, True, id=operation_id)
    await eventually(lambda: PROGRESS in ledger.received(operation_id))
    done = "activity_task_completed_event_attributes"

    async def all_done() -> int:
        return (await start.event_types(handle)).count(done)

    while await all_done() < PARALLEL + 1:  # the activities, and the report of the start
        pass
    released.set()
    await eventually(lambda: 1.0 in fractions(ledger, operation_id))
    assert fractions(ledger, operation_id) == [0.1, 1.0]
    await handle.signal(InParallel.finish)
    await handle.result()


async def test_end_does_not_wait_for_the_newest_progress(start: Starter, ledger: RecordingLedger, queue: str) -> None:
    """A kept value is dropped when the body ends, so that the close does not wait."""
    handle = await start(InParallel.run, False, queue=queue)
    assert await handle.result() == PARALLEL
    assert await start.task_failures(handle) == []
    await replay(await handle.fetch_history(), [InParallel])


async def test_run_of_an_earlier_version_reports_as_it_did(start: Starter, ledger: RecordingLedger, queue: str) -> None:
    """Without the memo a value reported during a pending report is dropped: the recorded history has no such report,
    and must replay."""
    handle = await start(InParallel.run, True, queue=queue, rule=None)
    await handle.signal(InParallel.finish)
    assert await handle.result() == PARALLEL
    await replay(await handle.fetch_history(), [InParallel])


def reported(ledger: RecordingLedger, operation_id: str) -> list[ReportedProgress]:
    """Progress that arrived, in order."""
    return [update.progress for update in ledger.updates(operation_id) if update.progress is not None]


def last(ledger: RecordingLedger, operation_id: str) -> dict[str, ReportedStep]:
    """The steps as the ledger has them after the last report, by name."""
    return {step.name: step for progress in reported(ledger, operation_id) for step in progress.steps}


async def test_steps_are_reported(start: Starter, ledger: RecordingLedger, queue: str) -> None:
    """In their order, with states and times of the workflow. A query names none."""
    handle = await start(HasSteps.run, 3, queue=queue)
    assert await handle.query("ask") == "answer"
    await eventually(lambda: "last" in last(ledger, handle.id))
    await handle.signal(HasSteps.finish)
    assert await handle.result() == 3
    steps = last(ledger, handle.id)
    assert {name: step.state.value for name, step in steps.items()} == {
        "prepare": "completed",
        "copy disk 0": "completed",
        "copy disk 1": "completed",
        "verify": "failed",
        "step 0": "completed",
        "step 1": "completed",
        "step 2": "completed",
        "last": "running",
    }
    assert (steps["prepare"].fraction, steps["prepare"].message) == (0.5, "half")
    assert steps["verify"].message == "a checksum differs"
    assert all(step.started_at <= step.updated_at for step in steps.values())
    assert all(one.started_at <= other.started_at for one, other in pairwise(steps.values()))
    stated = [(one.fraction, one.message) for one in reported(ledger, handle.id)]
    assert stated[0] == (0.1, "begun")
    assert (0.9, "nearly") in stated
    assert await start.task_failures(handle) == []
    await replay(await handle.fetch_history(), [HasSteps])


async def test_a_step_adds_a_bounded_number_of_bytes_to_the_history(start: Starter, ledger: RecordingLedger) -> None:
    """A report has the step that begins and the one that ends, however many the run has named before."""
    sizes = {}
    for times in (20, 40):
        for named in (False, True):
            handle = await start(Works.run, times, named)
            assert await handle.result() == times
            history = await handle.fetch_history()
            sizes[times, named] = sum(event.ByteSize() for event in history.events)
            await replay(history, [Works])
            if named:
                assert {len(progress.steps) for progress in reported(ledger, handle.id)} == {1, 2}
    for times in (20, 40):
        assert (sizes[times, True] - sizes[times, False]) / times < 500, sizes


async def test_no_step_is_lost_while_a_report_is_held(start: Starter, ledger: RecordingLedger) -> None:
    """All that is reported while the ledger holds the first one becomes one more report, with every step."""
    operation_id = "00000000-0000-7000-8000-0000000000bb"
    released = ledger.hold(operation_id, PROGRESS)
    handle = await start(HasSteps.run, 0, id=operation_id)
    await eventually(lambda: PROGRESS in ledger.received(operation_id))
    released.set()
    await eventually(lambda: "last" in last(ledger, operation_id))
    await handle.signal(HasSteps.finish)
    await handle.result()
    assert list(last(ledger, operation_id)) == ["prepare", "copy disk 0", "copy disk 1", "verify", "last"]
    await replay(await handle.fetch_history(), [HasSteps])


async def test_too_many_steps_do_not_harm_the_workflow(
    start: Starter, ledger: RecordingLedger, queue: str, caplog: pytest.LogCaptureFixture
) -> None:
    """P7: what exceeds the limit is dropped, and logged once."""
    with caplog.at_level(logging.WARNING):
        handle = await start(HasSteps.run, 150, queue=queue)
        await eventually(lambda: len(last(ledger, handle.id)) == 100)
        await handle.signal(HasSteps.finish)
        assert await handle.result() == 150
    assert "step 95" in last(ledger, handle.id)
    lines = [record.getMessage() for record in caplog.records if handle.id in record.getMessage()]
    assert len([line for line in lines if "at most 100" in line]) == 1
    await replay(await handle.fetch_history(), [HasSteps])


async def test_lost_reports_lose_no_step(start: Starter, ledger: RecordingLedger) -> None:
    """The next report that arrives has every step."""
    operation_id = "00000000-0000-7000-8000-0000000000cc"
    ledger.failing.add(operation_id)
    handle = await start(HasSteps.run, 0, id=operation_id)
    await eventually(lambda: PROGRESS in ledger.received(operation_id))
    ledger.failing.discard(operation_id)
    await eventually(lambda: "last" in last(ledger, operation_id))
    await handle.signal(HasSteps.finish)
    await handle.result()
    assert list(last(ledger, operation_id)) == ["prepare", "copy disk 0", "copy disk 1", "verify", "last"]

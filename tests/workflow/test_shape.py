"""Which workflows are tracked, and that the decorator does not change their behaviour."""

import inspect
from datetime import timedelta
from typing import Any
from uuid import uuid4

import pytest
from temporalio import workflow
from temporalio.common import SearchAttributePair, TypedSearchAttributes

from opledger import OPERATION_UUID, UpdateKind, report_progress, track_operation_status
from tests.support.eventually import eventually
from tests.support.temporal.activities import Order, Receipt
from tests.workflow.conftest import Starter
from tests.workflow.ledger import RecordingLedger
from tests.workflow.workflows import (
    Derived,
    Echo,
    NoArguments,
    OneArgument,
    Sleeper,
    Talkative,
    ThreeArguments,
)


@pytest.mark.parametrize(
    ("run", "args", "result", "reported"),
    [
        (NoArguments.run, [], None, None),
        (
            OneArgument.run,
            [Order("bolt", 2)],
            Receipt(Order("bolt", 2), 3.0),
            {"order": {"item": "bolt", "count": 2}, "total": 3.0},
        ),
        (
            ThreeArguments.run,
            [1, "two", [3]],
            {"number": 1, "text": "two", "items": [3]},
            {"number": 1, "text": "two", "items": [3]},
        ),
    ],
    ids=["none, under", "one, over", "three, over, options, init"],
)
async def test_any_number_of_arguments_over_or_under_run(
    start: Starter, ledger: RecordingLedger, queue: str, run: Any, args: list[Any], result: Any, reported: Any
) -> None:
    """The decorator works above and below `@workflow.run`; arguments and results keep their types."""
    handle = await start(run, *args, queue=queue)
    assert await handle.result() == result
    assert ledger.outcome(handle.id).result == reported


async def test_super_run_is_tracked_once(start: Starter, ledger: RecordingLedger, queue: str) -> None:
    """A tracked run method that calls another tracked one is one operation with one outcome."""
    handle = await start(Derived.run, "you", queue=queue)
    assert await handle.result() == "hello you!"
    assert ledger.ends(handle.id) == [UpdateKind.COMPLETED]
    assert ledger.outcome(handle.id).result == "hello you!"


async def test_operation_with_a_workflow_id_of_its_own_is_tracked(start: Starter, ledger: RecordingLedger) -> None:
    """The type has a template for workflow ids: the search attribute and the memo say that it is an operation."""
    operation_id = str(uuid4())
    attributes = TypedSearchAttributes([SearchAttributePair(OPERATION_UUID, operation_id)])
    handle = await start(Echo.run, 1, id=f"order-{uuid4()}", search_attributes=attributes)
    assert await handle.result() == 1
    assert ledger.kinds(operation_id) == [UpdateKind.COMPLETED]


@pytest.mark.parametrize("make_id", [lambda: "order-7", lambda: str(uuid4()).upper(), lambda: uuid4().hex])
async def test_workflow_with_another_id_is_not_tracked(start: Starter, ledger: RecordingLedger, make_id: Any) -> None:
    """Only a workflow whose id is a UUID in canonical form can be an operation."""
    handle = await start(Echo.run, 1, id=make_id(), search_attributes=None)
    assert await handle.result() == 1
    assert ledger.received(handle.id) == []


async def test_search_attribute_of_another_operation_is_not_tracked(start: Starter, ledger: RecordingLedger) -> None:
    """A workflow with the search attribute of another operation, but without the ledger's memo, sends no reports."""
    other = TypedSearchAttributes([SearchAttributePair(OPERATION_UUID, str(uuid4()))])
    handle = await start(Echo.run, 1, search_attributes=other, rule=None)
    assert await handle.result() == 1
    assert ledger.received(handle.id) == []


async def test_missing_search_attribute_is_not_tracked(start: Starter, ledger: RecordingLedger) -> None:
    """P7: UUIDs are common workflow ids. A workflow that the ledger did not start is not tracked: reports would make
    its open runs nondeterministic."""
    handle = await start(Echo.run, 1, search_attributes=None)
    assert await handle.result() == 1
    assert ledger.received(handle.id) == []


async def test_body_does_not_wait_for_the_started_report(start: Starter, ledger: RecordingLedger) -> None:
    """The body runs while the ledger holds the STARTED report."""
    operation_id = str(uuid4())
    released = ledger.hold(operation_id, UpdateKind.STARTED)
    handle = await start(Sleeper.run, id=operation_id)
    await start.until_event(handle, "timer_started")
    assert ledger.kinds(operation_id) == []
    released.set()
    await eventually(lambda: ledger.kinds(operation_id) == [UpdateKind.STARTED])
    await handle.terminate()


async def test_signal_and_update_at_the_start_are_handled(start: Starter, ledger: RecordingLedger, queue: str) -> None:
    """As without tracking: nothing is awaited before the body waits."""
    handle = await start(Talkative.run, queue=queue, start_signal="tell", start_signal_args=["first"])
    assert await handle.execute_update(Talkative.ask, "second") >= 1
    await handle.signal(Talkative.tell, "bye")
    heard = await handle.result()
    assert set(heard) == {"run", "first", "second", "bye"}
    assert heard[-1] == "bye"
    assert ledger.ends(handle.id) == [], "a workflow with handlers waited for a report"


async def test_handlers_may_report_progress(start: Starter, ledger: RecordingLedger, queue: str) -> None:
    """A signal handler runs in its own context and still finds the operation."""
    handle = await start(Talkative.run, queue=queue)
    await eventually(lambda: ledger.kinds(handle.id) == [UpdateKind.STARTED])
    await handle.signal(Talkative.tell, "halfway")
    await eventually(lambda: UpdateKind.PROGRESS in ledger.kinds(handle.id))
    progress = ledger.updates(handle.id)[-1].progress
    assert progress is not None
    assert progress.message == "halfway"
    await handle.signal(Talkative.tell, "bye")
    await handle.result()


def test_decorated_method_looks_like_the_original() -> None:
    """Name, signature and annotations stay, because temporalio reads them."""
    assert Echo.run.__qualname__ == "Echo.run"
    assert list(inspect.signature(ThreeArguments.run).parameters) == ["self", "number", "text", "items"]
    assert inspect.iscoroutinefunction(OneArgument.run)
    assert OneArgument.run.__annotations__["return"] is Receipt


def test_decorator_refuses_invalid_arguments() -> None:
    """A function that is not async, and a timeout of zero: when the decorator is applied, not in the workflow."""
    with pytest.raises(TypeError, match="async"):
        track_operation_status(lambda self: None)  # type: ignore[type-var]
    with pytest.raises(ValueError, match="report_timeout"):
        track_operation_status(report_timeout=timedelta(0))


async def test_outside_a_workflow_nothing_is_tracked() -> None:
    """A unit test may call a tracked run method, and report progress, without Temporal."""
    assert not workflow.in_workflow()
    assert await Echo().run([1]) == [1]
    await report_progress(0.5)

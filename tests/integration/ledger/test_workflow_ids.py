"""Shared workflow ids on the real servers: submissions, starts, terminations and completions that race."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any
from uuid import UUID, uuid4

import pytest
from temporalio.api.workflowservice.v1 import StartWorkflowExecutionRequest
from temporalio.client import Client, WorkflowHandle

from application.adopt.adopt import Adopted, ExecutionOfOtherType
from application.submit.submission import Submission, Submitted
from application.submit.submit import SubmitOperations
from domain.errors import WorkflowIdConflict, WorkflowIdInUse
from domain.evidence.observation import ExecutionState
from domain.operation.operation import Operation
from domain.operation.operation_error import ErrorCode
from domain.operation.operation_type import OperationCatalogue, OperationType
from domain.operation.start.workflow_id_policy import OnClosed, OnRunning
from domain.operation.start.workflow_id_template import WorkflowIdTemplate
from domain.operation.status import OperationStatus
from tests.integration.temporal.test_semantics import foreign_start
from tests.support.ledger.claims import run_once
from tests.support.ledger.real import TENANT, RealLedger, real_ledger
from tests.support.temporal.ledger_workflows import TEAM_QUEUE

ACCEPTED, RUNNING = OperationStatus.ACCEPTED, OperationStatus.RUNNING
COMPLETED, FAILED = OperationStatus.COMPLETED, OperationStatus.FAILED
TEMPLATE = WorkflowIdTemplate.parse("w-{input.name}")


def declared(name: str, on_running: OnRunning, on_closed: OnClosed = OnClosed.ALLOW) -> OperationType:
    return OperationType(name, "Waits", TEAM_QUEUE, workflow_id=TEMPLATE, on_running=on_running, on_closed=on_closed)


TYPES = [
    declared("reject", OnRunning.REJECT),
    declared("use", OnRunning.USE_EXISTING),
    declared("terminate", OnRunning.TERMINATE),
    declared("until-done", OnRunning.TERMINATE, OnClosed.ALLOW_FAILED),
]
CATALOGUE = OperationCatalogue({kind.name: kind for kind in TYPES})
LOOPS = ("dispatch", "follow-up", "start watch", "close poll")


@pytest.fixture
async def ledger(temporal_client: Client, database_url: str) -> AsyncIterator[RealLedger]:
    """With types that have a template."""
    async with real_ledger(temporal_client, database_url, catalogue=CATALOGUE) as ledger:
        yield ledger


@pytest.fixture
def name() -> str:
    """Of the input, another one in each test."""
    return uuid4().hex


def submitter(ledger: RealLedger) -> SubmitOperations:
    """That of one more process: its submissions have transactions of their own."""
    ledger.api.submit.reset()
    made: SubmitOperations = ledger.api.submit()
    return made


async def submit(ledger: RealLedger, kind: str, name: str, tenant: str = TENANT) -> Submitted | WorkflowIdConflict:
    try:
        return await submitter(ledger).submit(Submission(tenant, kind, {"name": name}))
    except WorkflowIdConflict as conflict:
        return conflict


async def accepted(ledger: RealLedger, kind: str, name: str) -> UUID:
    answer = await submit(ledger, kind, name)
    assert isinstance(answer, Submitted)
    return answer.operation.id


async def dispatch(ledger: RealLedger) -> None:
    await run_once(ledger.worker.dispatcher(), 100)


def handle(ledger: RealLedger, name: str, run_id: str | None = None) -> WorkflowHandle[Any, Any]:
    return ledger.client.get_workflow_handle(f"w-{name}", run_id=run_id)


def foreign(name: str, workflow_type: str = "Waits") -> StartWorkflowExecutionRequest:
    raw = foreign_start(f"w-{name}")
    raw.workflow_type.name, raw.task_queue.name = workflow_type, TEAM_QUEUE
    return raw


async def started_from_outside(ledger: RealLedger, name: str, workflow_type: str = "Waits") -> str:
    """The run of another client's execution."""
    response = await ledger.client.workflow_service.start_workflow_execution(foreign(name, workflow_type))
    return response.run_id


async def state(ledger: RealLedger, row: Operation) -> ExecutionState:
    return (await ledger.engine.observe(row.chain)).state


def error_of(row: Operation) -> tuple[ErrorCode, Any]:
    assert row.error is not None
    return row.error.code, row.error.details.get("superseded_by")


@pytest.mark.parametrize("kind", ["reject", "use", "terminate"])
async def test_submissions_at_once(ledger: RealLedger, name: str, kind: str) -> None:
    """Eight transactions race. One operation holds the workflow id, and one execution runs."""
    answers = await asyncio.gather(*(submit(ledger, kind, name) for _ in range(8)))
    rows = [row for row in await ledger.rows() if row.workflow_id == f"w-{name}"]
    [winner] = [row for row in rows if not row.done]
    made = [answer for answer in answers if isinstance(answer, Submitted) and not answer.replayed]
    if kind == "terminate":
        assert len(made) == len(rows) == 8
        assert {error_of(row)[0] for row in rows if row.done} == {ErrorCode.TERMINATED}
    else:
        assert [answer.operation.id for answer in made] == [winner.id]
        named = {
            answer.operation_id if isinstance(answer, WorkflowIdConflict) else answer.operation.id for answer in answers
        }
        assert named == {winner.id}
    await dispatch(ledger)
    described = await ledger.engine.describe(f"w-{name}")
    assert described is not None
    assert described.operation_id == winner.id


async def test_successor_replaces_a_running_operation(ledger: RealLedger, name: str) -> None:
    """The former one is terminated and names its successor, whose workflow runs and completes."""
    async with ledger.working(loops=LOOPS):
        first = await accepted(ledger, "terminate", name)
        await ledger.until(first, lambda row: row.status is RUNNING)
        second = await accepted(ledger, "terminate", name)
        row = await ledger.done(first)
        assert (row.status, error_of(row)) == (FAILED, (ErrorCode.TERMINATED, str(second)))
        await ledger.until(second, lambda row: row.status is RUNNING)
        await handle(ledger, name).signal("finish", "second")
        row = await ledger.reconciled(second)
        assert (row.status, row.result) == (COMPLETED, "second")
    assert (await ledger.row(first)).attention is None


@pytest.mark.parametrize("kind", ["terminate", "until-done"])
async def test_completion_races_with_termination(ledger: RealLedger, name: str, kind: str) -> None:
    """The engine decides. A completion that comes first counts, and the policy on closed executions applies to it."""
    async with ledger.working(loops=("follow-up", "start watch")):
        first = await accepted(ledger, kind, name)
        await dispatch(ledger)
        await ledger.until(first, lambda row: row.status is RUNNING)
        second = await accepted(ledger, kind, name)
        execution = handle(ledger, name, (await ledger.row(first)).first_run_id)
        await asyncio.gather(execution.signal("finish", "first"), dispatch(ledger), return_exceptions=True)
        row = await ledger.reconciled(first)
        assert row.superseded_by == second
        assert (row.status, row.result) == (COMPLETED, "first") or error_of(row) == (
            ErrorCode.TERMINATED,
            str(second),
        )
    async with ledger.working(loops=LOOPS):
        successor = await ledger.until(second, lambda row: row.done or row.dispatch.done_at is not None)
    if kind == "until-done" and row.status is COMPLETED:
        assert error_of(successor)[0] is ErrorCode.START_REJECTED
    else:
        assert await state(ledger, successor) in (ExecutionState.PENDING, ExecutionState.RUNNING)


async def test_completion_before_the_termination(ledger: RealLedger, name: str) -> None:
    """`allow_failed` and `terminate`: the completed execution keeps the workflow id."""
    async with ledger.working(loops=("start watch",)):
        first = await accepted(ledger, "until-done", name)
        await dispatch(ledger)
        await ledger.until(first, lambda row: row.status is RUNNING)
        second = await accepted(ledger, "until-done", name)
        await handle(ledger, name).signal("finish", "first")
        assert await handle(ledger, name).result() == "first"
        await dispatch(ledger)
        row = await ledger.row(second)
        assert error_of(row)[0] is ErrorCode.START_REJECTED
        assert (await ledger.reconciled(first)).result == "first"


@pytest.mark.parametrize("kind", ["reject", "use", "terminate"])
async def test_start_races_with_a_foreign_start(ledger: RealLedger, name: str, kind: str) -> None:
    """In either order: no chain is taken for another, and the policy decides about the foreign one."""
    operation_id = await accepted(ledger, kind, name)
    [foreign_run, _] = await asyncio.gather(
        started_from_outside(ledger, name), dispatch(ledger), return_exceptions=True
    )
    row = await ledger.row(operation_id)
    if isinstance(foreign_run, BaseException):  # the operation was first
        assert await state(ledger, row) is ExecutionState.PENDING
        return
    described = await ledger.engine.describe(f"w-{name}", foreign_run)
    assert described is not None
    if kind == "reject":
        assert error_of(row)[0] is ErrorCode.START_REJECTED
        assert described.state is ExecutionState.PENDING
    elif kind == "use":
        assert (row.first_run_id, row.dispatch.done_at is not None) == (foreign_run, True)
        assert described.state is ExecutionState.PENDING
    else:
        assert row.first_run_id != foreign_run
        assert described.state is ExecutionState.TERMINATED
        assert await state(ledger, row) is ExecutionState.PENDING


async def test_foreign_execution_is_used_to_its_end(ledger: RealLedger, name: str) -> None:
    """Its outcome is the operation's. Cancellation reaches it, too."""
    async with ledger.working(loops=LOOPS):
        await started_from_outside(ledger, name)
        operation_id = await accepted(ledger, "use", name)
        await ledger.until(operation_id, lambda row: row.status is RUNNING)
        await handle(ledger, name).signal("finish", {"n": 1})
        assert await handle(ledger, name).result() == {"n": 1}
        row = await ledger.done(operation_id)
        assert (row.status, row.result) == (COMPLETED, {"n": 1})
        assert row.workflow_id == f"w-{name}"


async def test_use_races_with_adoption(ledger: RealLedger, name: str) -> None:
    """A chain has one row, whichever commits first. It stays so after the end."""
    run_id = await started_from_outside(ledger, name)
    operation_id = await accepted(ledger, "use", name)
    adopter = ledger.api.adopter()
    outcomes = await asyncio.gather(
        dispatch(ledger), *(adopter.adopt(TENANT, "reject", f"w-{name}") for _ in range(4)), return_exceptions=True
    )
    rows = [row for row in await ledger.rows() if row.workflow_id == f"w-{name}"]
    [owner] = [row for row in rows if row.first_run_id == run_id]
    row = await ledger.row(operation_id)
    if owner.id == operation_id:
        assert rows == [row]
        assert all(isinstance(outcome, ExecutionOfOtherType) for outcome in outcomes[1:])
    else:
        assert error_of(row)[0] is ErrorCode.START_REJECTED
        assert {outcome.operation.id for outcome in outcomes[1:] if isinstance(outcome, Adopted)} == {owner.id}
    await handle(ledger, name).terminate()
    assert (await ledger.reconciled(owner.id)).done
    again = await ledger.api.adopter().adopt(TENANT, owner.type, f"w-{name}", run_id)
    assert (again.new, again.operation.id) == (False, owner.id)


@pytest.mark.parametrize("kind", ["use", "terminate"])
async def test_execution_of_another_type_is_left_alone(ledger: RealLedger, name: str, kind: str) -> None:
    """P8: whatever the template gives."""
    run_id = await started_from_outside(ledger, name, "Payroll")
    operation_id = await accepted(ledger, kind, name)
    await dispatch(ledger)
    assert error_of(await ledger.row(operation_id))[0] is ErrorCode.START_REJECTED
    described = await ledger.engine.describe(f"w-{name}", run_id)
    assert described is not None
    assert described.state is ExecutionState.PENDING


@pytest.mark.parametrize("kind", ["reject", "use", "terminate"])
async def test_template_gives_two_tenants_one_workflow_id(ledger: RealLedger, name: str, kind: str) -> None:
    """P8: the second tenant is refused, and learns nothing about the first one's operation, which runs on."""
    first = await accepted(ledger, kind, name)
    await dispatch(ledger)
    answer = await submit(ledger, kind, name, tenant="another")
    assert isinstance(answer, WorkflowIdInUse)
    assert answer.operation_id is None
    row = await ledger.row(first)
    assert row.superseded_by is None
    assert await state(ledger, row) is ExecutionState.PENDING


async def test_superseded_operation_is_never_started(ledger: RealLedger, name: str) -> None:
    """Before its first attempt it is final in the commit of its successor."""
    first = await accepted(ledger, "terminate", name)
    second = await accepted(ledger, "terminate", name)
    await dispatch(ledger)
    assert error_of(await ledger.row(first)) == (ErrorCode.TERMINATED, str(second))
    described = await ledger.engine.describe(f"w-{name}")
    assert described is not None
    assert (described.operation_id, described.run_id) == (second, described.first_run_id)

"""Bulk actions on the real servers."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence
from uuid import UUID

import pytest
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client
from temporalio.worker import UnsandboxedWorkflowRunner, Worker, WorkflowRunner
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from application.bulk.bulk_operations import Confirmation
from application.bulk.perform import PieceHandled, TargetsFailed
from application.ports.storage.operation_queries import OperationFilter
from application.ports.storage.unit_of_work import DatabaseUnavailable, UnitOfWork
from domain.bulk.bulk_action import BulkTerms, BulkVerb
from domain.bulk.target import Target, TargetOutcome
from domain.operation.operation import Operation
from domain.operation.operation_error import ErrorCode
from domain.operation.status import OperationStatus
from entrypoints.worker import activities, perform_bulk_action
from entrypoints.worker.activities import BULK_ATTEMPTS
from entrypoints.worker.perform_bulk_action import BULK_PIECE, WAITS, PerformBulkAction
from opledger.wire import LEDGER_TASK_QUEUE
from tests.support.eventually import eventually
from tests.support.ledger.real import TENANT, RealLedger, real_ledger

NOBODY = OperationFilter(type="nobody")
TERMS = BulkTerms("no need", False, "alice")
COMPLETED = OperationStatus.COMPLETED
LOOPS = ("dispatch", "follow-up", "children", "start watch")
"""A bulk cancellation waits for those that do what it makes due."""


async def confirmed(ledger: RealLedger, verb: BulkVerb, criteria: OperationFilter = NOBODY) -> UUID:
    """A bulk action that is confirmed, for a dispatcher to start."""
    preview = await ledger.api.bulk().preview(TENANT, verb, criteria)
    confirmation = Confirmation(preview.action.id, verb, TERMS, {"filter": {}})
    submitted = await ledger.api.bulk().confirm(TENANT, confirmation, trace={})
    operation: Operation = submitted.operation
    return operation.id


async def outcomes(ledger: RealLedger, operation_id: UUID) -> list[TargetOutcome]:
    """What became of its targets."""
    found = await ledger.api.bulk().targets(TENANT, operation_id, after=0, limit=1000)
    return [target.outcome for target in found]


def pieces_of(ledger: RealLedger, size: int) -> None:
    """Makes the pieces so small that a few targets take many of them."""
    ledger.worker.bulk.add_kwargs(piece=size)


@contextlib.asynccontextmanager
async def working(ledger: RealLedger, runner: WorkflowRunner | None = None) -> AsyncIterator[None]:
    """Runs the loops, and the worker of the ledger's task queue."""
    restrictions = SandboxRestrictions.default.with_passthrough_modules("opledger")
    own = Worker(
        ledger.client,
        task_queue=LEDGER_TASK_QUEUE,
        workflows=[PerformBulkAction],
        activities=ledger.worker.activities().all(),
        workflow_runner=runner or SandboxedWorkflowRunner(restrictions=restrictions),
    )
    async with ledger.working(loops=LOOPS), own:
        yield


async def test_a_bulk_action_is_an_operation(temporal_client: Client, database_url: str) -> None:
    """It starts, reports progress, and completes with the numbers. One that matches nothing completes too."""
    async with real_ledger(temporal_client, database_url) as ledger:
        pieces_of(ledger, 2)
        made = [await ledger.submit("nobody") for _ in range(5)]
        await ledger.cancel(made[0])
        action = await confirmed(ledger, BulkVerb.CANCEL)
        nothing = await confirmed(ledger, BulkVerb.RETRY, OperationFilter(type="build"))
        late = await ledger.submit("nobody")
        async with working(ledger):
            row, empty = await ledger.done(action), await ledger.done(nothing)
        assert (row.status, row.result) == (COMPLETED, {"matching": 4, "done": 4, "skipped": 0, "failed": 0})
        assert row.progress is not None
        assert (row.progress.fraction, row.progress.message) == (1.0, "4 of 4: 4 done, 0 skipped, 0 failed")
        assert (empty.status, empty.result) == (COMPLETED, {"matching": 0, "done": 0, "skipped": 0, "failed": 0})
        assert await ledger.path(action) == ["ACCEPTED", "RUNNING", "COMPLETED"]
        for operation_id in made[1:]:
            request = (await ledger.row(operation_id)).cancel_request
            assert request is not None
            assert (request.by, request.reason) == ("alice", "no need")
        assert (await ledger.row(late)).cancel_request is None
        assert await outcomes(ledger, action) == [TargetOutcome.DONE] * 4


async def test_a_long_bulk_action_continues_as_new(
    temporal_client: Client, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More pieces than one run of the workflow handles."""
    async with real_ledger(temporal_client, database_url) as ledger:
        pieces_of(ledger, 1)
        for _ in range(3):
            await ledger.submit("nobody")
        action = await confirmed(ledger, BulkVerb.CANCEL)
        monkeypatch.setattr(perform_bulk_action, "PIECES_PER_RUN", 2)
        async with working(ledger, UnsandboxedWorkflowRunner()):
            row = await ledger.done(action)
        assert row.result == {"matching": 3, "done": 3, "skipped": 0, "failed": 0}
        latest = (await ledger.handle(action).describe()).run_id
        assert row.first_run_id != latest


async def test_cancelling_a_bulk_action_stops_it(temporal_client: Client, database_url: str) -> None:
    """The piece that is under way ends before the operation does. Its progress has the numbers."""
    async with real_ledger(temporal_client, database_url) as ledger:
        pieces_of(ledger, 1)
        for _ in range(200):
            await ledger.submit("nobody")
        action = await confirmed(ledger, BulkVerb.CANCEL)
        async with working(ledger):
            await ledger.until(action, lambda row: row.progress is not None)
            await ledger.cancel(action)
            row = await ledger.done(action)
            done = await outcomes(ledger, action)
        assert (row.status, row.error and row.error.code) == (OperationStatus.FAILED, ErrorCode.CANCELED)
        number = done.count(TargetOutcome.DONE)
        assert 0 < number < 200
        assert done == [TargetOutcome.DONE] * number + [TargetOutcome.PENDING] * (200 - number)
        requested = [row for row in await ledger.rows() if row.type == "nobody" and row.cancel_request is not None]
        assert len(requested) == number


class Waiting:
    """A pace that holds every bulk action back, until a test lets it go."""

    held = True

    async def waits(self, _unit: UnitOfWork, _verb: BulkVerb, _targets: Sequence[Target]) -> bool:
        """Whether it is held back."""
        return self.held


async def test_a_bulk_action_that_waits_says_so_and_can_be_cancelled(
    temporal_client: Client, database_url: str
) -> None:
    """One report, for many pieces. A piece without a target is no failed attempt."""
    async with real_ledger(temporal_client, database_url) as ledger:
        pace = Waiting()
        ledger.worker.bulk.add_kwargs(pace=pace, longest_wait=0.1)
        await ledger.submit("nobody")
        stopped, last = [await confirmed(ledger, BulkVerb.CANCEL) for _ in range(2)]
        async with working(ledger):
            for operation_id in (stopped, last):
                row = await ledger.until(operation_id, lambda row: row.progress is not None)
                assert row.progress is not None
                assert row.progress.message == f"0 of 1: 0 done, 0 skipped, 0 failed; {WAITS}"

            async def has_waited_often() -> bool:
                pieces = [_is_piece(event) for event in await ledger.events(last)]
                return sum(pieces) > BULK_ATTEMPTS

            await eventually(has_waited_often)
            reports = [event.HasField("marker_recorded_event_attributes") for event in await ledger.events(last)]
            assert sum(reports) <= 2  # of the start and of the wait
            await ledger.cancel(stopped)
            row = await ledger.done(stopped)
            assert (row.status, row.error and row.error.code) == (OperationStatus.FAILED, ErrorCode.CANCELED)
            assert await outcomes(ledger, stopped) == [TargetOutcome.PENDING]
            pace.held = False
            row = await ledger.done(last)
        assert row.result == {"matching": 1, "done": 1, "skipped": 0, "failed": 0}


def _is_piece(event: HistoryEvent) -> bool:
    return event.activity_task_scheduled_event_attributes.activity_type.name == BULK_PIECE


class Failing:
    """A performer whose attempts fail one after another."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = [*errors]
        self.gave_up: list[bool] = []

    async def handle(
        self, _action_id: UUID, after: int, _stop: asyncio.Event, *, give_up: bool = False
    ) -> PieceHandled:
        """Fails, until no error is left."""
        self.gave_up.append(give_up)
        if self._errors:
            raise self._errors.pop(0)
        return PieceHandled(after, after, {})


async def test_only_attempts_that_targets_have_failed_count(
    temporal_client: Client, database_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An attempt without a database does not bring a target closer to its failure."""
    monkeypatch.setattr(activities, "BULK_ATTEMPTS", 1)
    async with real_ledger(temporal_client, database_url) as ledger:
        failing = Failing(DatabaseUnavailable("down"), TargetsFailed("locked"), DatabaseUnavailable("down"))
        ledger.worker.bulk.override(failing)
        action = await confirmed(ledger, BulkVerb.CANCEL)
        async with working(ledger):
            assert (await ledger.done(action)).status is COMPLETED
        assert failing.gave_up == [False, False, True, True]

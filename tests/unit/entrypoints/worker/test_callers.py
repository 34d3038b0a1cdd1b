"""Who may call the ledger's activities."""

from dataclasses import replace
from uuid import UUID

import pytest
from temporalio.common import RawValue
from temporalio.converter import PayloadConverter
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from application.bulk.bulk_operations import Confirmation
from application.ports.storage.operation_queries import OperationFilter
from domain.bulk.bulk_action import BulkTerms, BulkVerb
from entrypoints.own_workflow import BULK_WORKFLOW, RECONCILE_WORKFLOW
from entrypoints.reports.object_decoder import InvalidArgument
from entrypoints.worker.activities import BULK_ACTION_ENDED
from entrypoints.worker.callers import FOREIGN_CALLER, FOREIGN_REPORT
from entrypoints.worker.perform_bulk_action import Handled
from entrypoints.worker.reconcile_operations import PassDone
from opledger.wire import StatusUpdate, UpdateKind, UpdateOutcome
from tests.support.ledger.in_memory import FakeLedger

RECONCILE = "opledger-reconcile"


def called_by(**info: object) -> ActivityEnvironment:
    environment = ActivityEnvironment()
    environment.info = replace(ActivityEnvironment.default_info(), **info)  # type: ignore[arg-type]
    return environment


@pytest.mark.parametrize("workflow_id", [RECONCILE, f"{RECONCILE}-2026-11-28T17:55:00Z"])
async def test_scheduled_reconciliation_may_call(workflow_id: str) -> None:
    """Triggered by hand, or by the schedule."""
    caller = called_by(workflow_id=workflow_id, workflow_type=RECONCILE_WORKFLOW)
    assert await caller.run(FakeLedger().worker.activities().reconcile_pass) == PassDone(pages=1)


@pytest.mark.parametrize(
    "info",
    [
        {"workflow_id": RECONCILE, "workflow_type": "Other"},
        {"workflow_id": "another", "workflow_type": RECONCILE_WORKFLOW},
        {"workflow_id": f"{RECONCILE}s", "workflow_type": RECONCILE_WORKFLOW},
        {"workflow_id": None, "workflow_run_id": None, "workflow_type": None, "workflow_namespace": None},
        {"workflow_id": RECONCILE, "workflow_type": RECONCILE_WORKFLOW, "workflow_namespace": "another"},
    ],
    ids=["type", "id", "longer id", "no workflow", "namespace"],
)
async def test_no_other_caller_reconciles(info: dict[str, object]) -> None:
    """It fails for good, is counted, and no pass has begun."""
    ledger = FakeLedger()
    with pytest.raises(ApplicationError) as failure:
        await called_by(**info).run(ledger.worker.activities().reconcile_pass)
    assert (failure.value.type, failure.value.non_retryable) == (FOREIGN_CALLER, True)
    assert ledger.metrics.rejected == {"reconcile_pass": 1}
    assert ledger.store._tables.watermarks == {}


async def test_report_is_taken_from_its_own_workflow_alone() -> None:
    """By what the server says of the caller, not by what the report says."""
    ledger = FakeLedger()
    operation_id = await ledger.dispatched()
    run = ledger.run_of(operation_id)
    started = StatusUpdate(str(operation_id), UpdateKind.STARTED, ledger.clock.now().isoformat())
    update = RawValue(PayloadConverter.default.to_payload(started))
    activities = ledger.worker.activities()
    foreign: list[dict[str, object]] = [
        {"workflow_id": "another", "workflow_run_id": run.run_id},
        {"workflow_id": run.workflow_id, "workflow_run_id": "another"},
        {"workflow_id": run.workflow_id, "workflow_run_id": run.run_id, "workflow_namespace": "another"},
        {"workflow_id": None, "workflow_run_id": None, "workflow_namespace": None},
    ]
    for info in foreign:
        with pytest.raises(ApplicationError) as failure:
            await called_by(**info).run(activities.update_operation_status, [update])
        assert (failure.value.type, failure.value.non_retryable) == (FOREIGN_REPORT, True)
    own = called_by(workflow_id=run.workflow_id, workflow_run_id=run.run_id)
    assert await own.run(activities.update_operation_status, [update]) is UpdateOutcome.RECORDED


async def bulk_action(ledger: FakeLedger) -> UUID:
    """A bulk action without targets, which is confirmed."""
    bulk = ledger.api.bulk()
    preview = await bulk.preview("default", BulkVerb.CANCEL, OperationFilter())
    confirmation = Confirmation(preview.action.id, BulkVerb.CANCEL, BulkTerms(), {})
    return (await bulk.confirm("default", confirmation, trace={})).operation.id


def place(value: object) -> list[RawValue]:
    """The argument of the activity."""
    return [RawValue(PayloadConverter.default.to_payload(value))]


async def test_a_bulk_action_is_handled_for_its_own_workflow() -> None:
    """Whose id is the operation's."""
    ledger = FakeLedger()
    caller = called_by(workflow_id=str(await bulk_action(ledger)), workflow_type=BULK_WORKFLOW)
    assert await caller.run(ledger.worker.activities().handle_bulk_piece, place(0)) == Handled(matching=0)


@pytest.mark.parametrize("name", ["ours", "another", None])
async def test_no_other_caller_handles_a_bulk_action(name: str | None) -> None:
    """Of another workflow type, with another id, or none at all."""
    ledger = FakeLedger()
    action_id = str(await bulk_action(ledger))
    if name == "ours":
        caller = called_by(workflow_id=action_id, workflow_type="Other")
    else:
        caller = called_by(workflow_id=name, workflow_type=BULK_WORKFLOW)
    with pytest.raises(ApplicationError) as failure:
        await caller.run(ledger.worker.activities().handle_bulk_piece, place(0))
    assert (failure.value.type, failure.value.non_retryable) == (FOREIGN_CALLER, True)
    assert ledger.metrics.rejected == {"handle_bulk_piece": 1}


@pytest.mark.parametrize("value", [-1, 100_001, True, "0", None, 1.0])
async def test_a_place_that_is_none_is_refused(value: object) -> None:
    """Of any sender."""
    with pytest.raises(InvalidArgument, match="a place from 0"):
        await called_by().run(FakeLedger().worker.activities().handle_bulk_piece, place(value))


async def test_the_workflow_of_an_ended_bulk_action_fails_for_good() -> None:
    """Its operation is done."""
    ledger = FakeLedger()
    action_id = await bulk_action(ledger)
    await ledger.api.cancel().cancel("default", action_id, reason=None, force=False)
    caller = called_by(workflow_id=str(action_id), workflow_type=BULK_WORKFLOW)
    with pytest.raises(ApplicationError) as failure:
        await caller.run(ledger.worker.activities().handle_bulk_piece, place(0))
    assert (failure.value.type, failure.value.non_retryable) == (BULK_ACTION_ENDED, True)

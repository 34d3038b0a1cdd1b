"""Who may call the ledger's activities."""

from dataclasses import replace

import pytest
from temporalio.common import RawValue
from temporalio.converter import PayloadConverter
from temporalio.exceptions import ApplicationError
from temporalio.testing import ActivityEnvironment

from entrypoints.worker.activities import LedgerActivities
from entrypoints.worker.callers import FOREIGN_CALLER, FOREIGN_REPORT
from entrypoints.worker.reconcile_operations import RECONCILE_WORKFLOW, PassDone
from opledger.wire import StatusUpdate, UpdateKind, UpdateOutcome
from tests.support.ledger import FakeLedger

RECONCILE = "opledger-reconcile"


def activities_of(ledger: FakeLedger) -> LedgerActivities:
    return LedgerActivities(ledger.reports, ledger.reconciler, ledger.metrics, RECONCILE)


def called_by(**info: object) -> ActivityEnvironment:
    environment = ActivityEnvironment()
    environment.info = replace(ActivityEnvironment.default_info(), **info)  # type: ignore[arg-type]
    return environment


@pytest.mark.parametrize("workflow_id", [RECONCILE, f"{RECONCILE}-2026-11-28T17:55:00Z"])
async def test_scheduled_reconciliation_may_call(workflow_id: str) -> None:
    """Triggered by hand, or by the schedule."""
    caller = called_by(workflow_id=workflow_id, workflow_type=RECONCILE_WORKFLOW)
    assert await caller.run(activities_of(FakeLedger()).reconcile_pass) == PassDone(pages=1)


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
        await called_by(**info).run(activities_of(ledger).reconcile_pass)
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
    activities = activities_of(ledger)
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

"""The scheduled reconciliation: one activity, which takes nothing from its caller and returns counts."""

from dataclasses import dataclass
from datetime import timedelta

from temporalio import workflow
from temporalio.common import RetryPolicy

from entrypoints.own_workflow import RECONCILE_WORKFLOW

RECONCILE_PASS = "reconcile_pass"
HEARTBEAT_TIMEOUT = timedelta(seconds=6)
"""Several heartbeats of the activity. After this, another worker restarts the pass of a killed one."""
LONGEST_PASS = timedelta(hours=1)


@dataclass(frozen=True)
class PassDone:
    """Counts of a pass."""

    pages: int = 0
    listed: int = 0
    asked: int = 0
    corrected: int = 0
    failed: int = 0


@workflow.defn(name=RECONCILE_WORKFLOW)
class ReconcileOperations:
    """One pass over the executions that changed according to Temporal's visibility."""

    @workflow.run
    async def run(self) -> PassDone:
        done: PassDone = await workflow.execute_activity(
            RECONCILE_PASS,
            result_type=PassDone,
            start_to_close_timeout=LONGEST_PASS,
            heartbeat_timeout=HEARTBEAT_TIMEOUT,
            retry_policy=RetryPolicy(maximum_interval=timedelta(seconds=10), maximum_attempts=10),
        )
        return done

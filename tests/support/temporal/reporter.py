"""A workflow that reports itself as a worker in another language would: by hand, without the decorator."""

from datetime import timedelta
from typing import Any

from temporalio import workflow

from tests.support.temporal.ledger_workflows import LEDGER_QUEUE

LONG = timedelta(seconds=20)
UPDATE_ACTIVITY = "update_operation_status"


@workflow.defn
class ReportsItself:
    """Sends its start under the given operation id by activity, and waits for a signal."""

    def __init__(self) -> None:
        self._may_end = False

    @workflow.run
    async def run(self, operation_id: str) -> dict[str, Any]:
        outcome = await workflow.execute_activity(
            UPDATE_ACTIVITY,
            self._report(operation_id),
            task_queue=LEDGER_QUEUE,
            schedule_to_close_timeout=LONG,
            result_type=str,
        )
        await workflow.wait_condition(lambda: self._may_end)
        return {"outcome": outcome}

    @workflow.signal
    def end(self) -> None:
        """Lets the workflow complete."""
        self._may_end = True

    def _report(self, operation_id: str) -> dict[str, Any]:
        info = workflow.info()
        execution = {
            "namespace": info.namespace,
            "workflow_id": info.workflow_id,
            "run_id": info.run_id,
            "first_run_id": info.first_execution_run_id,
            "workflow_type": info.workflow_type,
            "task_queue": info.task_queue,
            "started_at": info.workflow_start_time.isoformat(),
        }
        return {
            "operation_id": operation_id or self._adopted_id(),
            "kind": "started",
            "occurred_at": workflow.now().isoformat(),
            "execution": execution,
        }

    def _adopted_id(self) -> str:
        import json
        import uuid

        info = workflow.info()
        chain = [info.namespace, info.workflow_id, info.first_execution_run_id]
        name = json.dumps(chain, ensure_ascii=False, separators=(",", ":"))
        return str(uuid.uuid5(uuid.UUID("6f9d5c0e-3b0a-5d5e-9a55-0d6a1f0f15ad"), name))

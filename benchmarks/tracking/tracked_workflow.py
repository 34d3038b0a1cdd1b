"""The measured workflow with the decorator, and one that waits for its termination.

They have their own module because the sandbox imports a workflow's module for every run, and the untracked workflow
must not pay for these imports.
"""

from temporalio import workflow

from benchmarks.tracking.untracked_workflow import ACTIVITY, LIMIT
from opledger import track_operation_status


@workflow.defn
class Tracked:
    """Runs one activity, with reports."""

    @workflow.run
    @track_operation_status
    async def run(self, value: int) -> int:
        done: int = await workflow.execute_activity(ACTIVITY, value, result_type=int, start_to_close_timeout=LIMIT)
        return done


@workflow.defn
class Waiting:
    """Reports its start, and waits for its termination."""

    @workflow.run
    @track_operation_status
    async def run(self, value: int) -> None:
        await workflow.wait_condition(lambda: False)

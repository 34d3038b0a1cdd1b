"""The same workflow with the decorator, and one that waits to be ended.

A module of their own: the sandbox imports a workflow's module for every run, and the untracked one must not pay for
this one's imports.
"""

from temporalio import workflow

from benchmarks.tracking.untracked_workflow import ACTIVITY, LIMIT
from opledger import track_operation_status


@workflow.defn
class Tracked:
    """Does a little, and reports it."""

    @workflow.run
    @track_operation_status
    async def run(self, value: int) -> int:
        done: int = await workflow.execute_activity(ACTIVITY, value, result_type=int, start_to_close_timeout=LIMIT)
        return done


@workflow.defn
class Waiting:
    """Reports that it has begun, and waits until it is ended from outside."""

    @workflow.run
    @track_operation_status
    async def run(self, value: int) -> None:
        await workflow.wait_condition(lambda: False)

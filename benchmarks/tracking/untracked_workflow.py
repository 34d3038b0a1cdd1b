"""The measured workflow without the ledger: one activity, one result.

Also a workflow that waits for its termination.
"""

from collections.abc import Sequence
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RawValue

TEAM_QUEUE = "bench-team"
"""Task queue of a team's worker, which has no credentials of the ledger."""
PLUGIN_QUEUE = "bench-plugin"
"""Task queue of a team's worker with OpledgerPlugin."""
ACTIVITY = "do_a_little"
LIMIT = timedelta(seconds=30)


@activity.defn(name=ACTIVITY)
async def do_a_little(value: int) -> int:
    """Does nothing. Costs one activity."""
    return value


@workflow.defn
class Untracked:
    """Runs one activity."""

    @workflow.run
    async def run(self, value: int) -> int:
        done: int = await workflow.execute_activity(ACTIVITY, value, result_type=int, start_to_close_timeout=LIMIT)
        return done


@workflow.defn(dynamic=True)
class Waits:
    """Waits for its termination. Handles every workflow type without a class of its own."""

    @workflow.run
    async def run(self, arguments: Sequence[RawValue]) -> None:
        await workflow.wait_condition(lambda: False)

"""The workflow that is measured, as a team writes it that has never heard of the ledger: one activity, one result.

Without an activity it would be over before it has begun, which no workflow that is worth a row is. Beside it, one that
waits to be ended.
"""

from collections.abc import Sequence
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RawValue

TEAM_QUEUE = "bench-team"
"""Of a team's worker, which has no credentials of the ledger's."""
PLUGIN_QUEUE = "bench-plugin"
"""Of a team's worker with OpledgerPlugin."""
ACTIVITY = "do_a_little"
LIMIT = timedelta(seconds=30)


@activity.defn(name=ACTIVITY)
async def do_a_little(value: int) -> int:
    """Nothing, at the price of an activity."""
    return value


@workflow.defn
class Untracked:
    """Does a little."""

    @workflow.run
    async def run(self, value: int) -> int:
        done: int = await workflow.execute_activity(ACTIVITY, value, result_type=int, start_to_close_timeout=LIMIT)
        return done


@workflow.defn(dynamic=True)
class Waits:
    """Waits to be ended. Of every workflow type that no other class has."""

    @workflow.run
    async def run(self, arguments: Sequence[RawValue]) -> None:
        await workflow.wait_condition(lambda: False)

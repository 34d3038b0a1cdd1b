"""The work: a workflow of two steps, and its activities."""

from dataclasses import dataclass
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RetryPolicy

from opledger import report_progress

TASK_QUEUE = "deployers"
_STEP_TIMEOUT = timedelta(minutes=10)
_RETRIES = RetryPolicy(maximum_attempts=3)


@dataclass(frozen=True)
class Order:
    """The input of an operation of the type `deployment`."""

    machine: str
    version: str


@dataclass(frozen=True)
class Deployed:
    """Its result."""

    machine: str
    files: int


@activity.defn
async def install(order: Order) -> int:
    """Copies the files of the version to the machine. Returns their number."""
    activity.logger.info("installing %s on %s", order.version, order.machine)
    return 42


@activity.defn
async def restart(order: Order) -> None:
    """Restarts the application on the machine."""
    activity.logger.info("restarting %s", order.machine)


@workflow.defn
class DeployMachine:
    """Nothing but `report_progress` has to do with the ledger."""

    @workflow.run
    async def run(self, order: Order) -> Deployed:
        """Installs, then restarts."""
        await report_progress(0.0, f"installing {order.version}")
        files = await workflow.execute_activity(
            install, order, start_to_close_timeout=_STEP_TIMEOUT, retry_policy=_RETRIES
        )
        await report_progress(0.5, f"restarting {order.machine}")
        await workflow.execute_activity(restart, order, start_to_close_timeout=_STEP_TIMEOUT, retry_policy=_RETRIES)
        return Deployed(order.machine, files)

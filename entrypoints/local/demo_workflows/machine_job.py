"""What the three shipped workflows share: their input, and work that takes a while and says how far it is."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError

from opledger import report_progress


@dataclass(frozen=True)
class MachineJob:
    """Input of every shipped workflow."""

    machine: str
    seconds: float
    """How long the work takes."""
    outcome: str = "success"
    """"success" or "failure"."""


@activity.defn
async def inspect_machine(job: MachineJob) -> str:
    """Look the machine over. Stands for the part of real work that can fail."""
    if job.outcome == "failure":
        words = f"machine {job.machine} did not pass inspection"
        raise ApplicationError(words, type="InspectionFailed", non_retryable=True)
    return "healthy"


async def work_through(job: MachineJob, steps: Sequence[str]) -> None:
    """Spend the job's time on the steps, reporting each, and inspect the machine at the end."""
    for number, step in enumerate(steps):
        await report_progress(number / len(steps), step)
        await workflow.sleep(timedelta(seconds=job.seconds / len(steps)))
    await workflow.execute_activity(
        inspect_machine,
        job,
        start_to_close_timeout=timedelta(seconds=3),
        retry_policy=RetryPolicy(maximum_interval=timedelta(seconds=5)),
    )

"""Input and work of the demo's three workflows."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError

from opledger import report_progress


@dataclass(frozen=True)
class MachineJob:
    """Input of each of the demo's workflows."""

    machine: str
    seconds: float
    """Duration of the work."""
    outcome: str = "success"
    """"success" or "failure"."""


@activity.defn
async def inspect_machine(job: MachineJob) -> str:
    """Inspects the machine: the step of the demo's work that can fail."""
    if job.outcome == "failure":
        words = f"machine {job.machine} did not pass inspection"
        raise ApplicationError(words, type="InspectionFailed", non_retryable=True)
    return "healthy"


async def work_through(job: MachineJob, steps: Sequence[str]) -> None:
    """Divides the job's time among the steps, reports progress, and inspects the machine at the end."""
    for number, step in enumerate(steps):
        await report_progress(number / len(steps), step)
        await workflow.sleep(timedelta(seconds=job.seconds / len(steps)))
    await workflow.execute_activity(
        inspect_machine,
        job,
        start_to_close_timeout=timedelta(seconds=3),
        retry_policy=RetryPolicy(maximum_interval=timedelta(seconds=5)),
    )

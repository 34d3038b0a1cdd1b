"""The workflow of the demo's operation type `release`."""

from temporalio import workflow

from entrypoints.local.demo_workflows.machine_job import MachineJob, work_through
from opledger import track_operation_status

STEPS = ("draining", "wiping", "giving back")


@workflow.defn(name="ReleaseMachine")
class ReleaseMachine:
    """Empty a machine and give it back."""

    @workflow.run
    @track_operation_status
    async def run(self, job: MachineJob) -> dict[str, str]:
        await work_through(job, STEPS)
        return {"machine": job.machine, "state": "released"}

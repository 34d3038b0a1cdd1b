"""The workflow of the demo's operation type `deploy`."""

from temporalio import workflow

from entrypoints.local.demo_workflows.machine_job import MachineJob, work_through
from opledger import track_operation_status

STEPS = ("reserving the machine", "copying the image", "starting")


@workflow.defn(name="DeployMachine")
class DeployMachine:
    """Put an image on a machine and start it."""

    @workflow.run
    @track_operation_status
    async def run(self, job: MachineJob) -> dict[str, str]:
        await work_through(job, STEPS)
        return {"machine": job.machine, "state": "deployed"}

"""The workflow of the demo's operation type `commission`."""

from temporalio import workflow

from entrypoints.local.demo_workflows.machine_job import MachineJob, work_through
from opledger import track_operation_status

STEPS = ("taking inventory", "burning in", "handing over")


@workflow.defn(name="CommissionMachine")
class CommissionMachine:
    """Burn a new machine in and hand it over."""

    @workflow.run
    @track_operation_status
    async def run(self, job: MachineJob) -> dict[str, str]:
        await work_through(job, STEPS)
        return {"machine": job.machine, "state": "commissioned"}

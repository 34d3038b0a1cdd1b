"""Mistakes in trusting what others say: about which chain, by which workflow, at what time."""

from tests.seeded_bugs.bug import CONTESTED, NAMED, PUSHED, SIMULATION, Bug, Hunk

REPORT_UNCHECKED = Bug(
    "report-unchecked",
    "P8: a report is recorded without a look at which workflow has sent it",
    SIMULATION,
    (
        Hunk(
            "domain/operation/chain.py",
            "    if run.workflow_id != chain.workflow_id:\n        return Membership.FOREIGN\n",
            "    if run.workflow_id:\n        return Membership.OWN\n",
        ),
    ),
)
WATERMARK_OF_THE_CALLER = Bug(
    "watermark-of-the-caller",
    "P4: the watermark is the time that a caller gives, whose clock may be ahead",
    SIMULATION,
    (
        Hunk(
            "application/converge/reconcile.py",
            "began_at = await unit.watermarks.now()",
            "began_at = self._clock.now()",
        ),
        Hunk("adapters/memory/convergence/watermarks.py", "clamped = min(to, now)", "clamped = to"),
        Hunk("adapters/postgres/convergence/watermarks.py", "sa.func.least(sa.cast(to, Instant), _NOW)", "to"),
    ),
)
ANOTHER_CHAIN = Bug(
    "another-chain",
    "P3, P8: whatever execution has the workflow id now decides about the operation",
    SIMULATION,
    (
        Hunk(
            "adapters/memory/engine/chains.py",
            "        return next((found for found in self._latest_first(chain.workflow_id)"
            " if found.belongs_to(chain)), None)\n",
            "        return self.current.get(chain.workflow_id)\n",
        ),
        Hunk(
            "adapters/temporal/executions/chains.py",
            "        if current is not None and await self.belongs(current, chain):\n",
            "        if current is not None:\n",
        ),
        Hunk(
            "domain/evidence/reconciliation.py",
            "    if observed is not None and known is not None and observed != known:\n",
            "    if observed is not None and known is not None and not observed:\n",
        ),
    ),
)
WORKFLOW_ID_ALONE = Bug(
    "workflow-id-alone",
    "P3, P8: a chain belongs to an operation if it has the workflow id, whatever its first run and OperationUUID are",
    NAMED,
    (
        Hunk(
            "adapters/memory/engine/executions.py",
            "        return self.first_run_id == chain.first_run_id\n",
            "        return self.workflow_id == chain.workflow_id\n",
        ),
        Hunk(
            "adapters/memory/engine/executions.py",
            "            return self.operation_id == chain.operation_id\n",
            "            return self.workflow_id == chain.workflow_id\n",
        ),
        Hunk(
            "adapters/temporal/executions/chains.py",
            "            return first_run_id(described.workflow_execution_info) == chain.first_run_id\n"
            "        return (await self._origin(described)).operation_id == chain.operation_id\n",
            "            return True\n        return True\n",
        ),
        Hunk(
            "domain/evidence/reconciliation.py",
            "    if observed is not None and known is not None and observed != known:\n",
            "    if observed is not None and known is not None and not observed:\n",
        ),
    ),
)
FOREIGN_TAKEN = Bug(
    "foreign-taken",
    "P8: under every policy an operation uses the execution of another client that has its workflow id",
    CONTESTED,
    (
        Hunk(
            "application/dispatch/workflow_id_holders.py",
            "            case OnRunning.USE_EXISTING if holder is None:\n",
            "            case _ if holder is None:\n",
        ),
    ),
)
TENANT_IGNORED = Bug(
    "tenant-ignored",
    "P8: a client acknowledges operations of another tenant",
    PUSHED,
    (Hunk("application/control/acknowledge.py", "if operation.tenant != tenant:", "if not tenant:"),),
)
BUGS = (REPORT_UNCHECKED, WATERMARK_OF_THE_CALLER, ANOTHER_CHAIN, WORKFLOW_ID_ALONE, FOREIGN_TAKEN, TENANT_IGNORED)

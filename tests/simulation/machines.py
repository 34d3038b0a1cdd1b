"""The machines by name."""

from tests.simulation.adoption.machine import Adoption
from tests.simulation.bulk.machine import Bulk
from tests.simulation.machine import Ledger
from tests.simulation.workflow_ids.machine import WorkflowIds

MACHINES: dict[str, type[Ledger] | type[WorkflowIds] | type[Adoption] | type[Bulk]] = {
    "ledger": Ledger,
    "workflow-ids": WorkflowIds,
    "adoption": Adoption,
    "bulk": Bulk,
}
"""Submissions alone; shared workflow ids; all ways in; bulk actions."""

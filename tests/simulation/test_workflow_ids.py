"""Shared workflow ids, randomly interleaved: one holder, one start, no chain taken for another, and the truth at the
end."""

from tests.simulation.workflow_ids.machine import WorkflowIds

TestWorkflowIds = WorkflowIds.TestCase

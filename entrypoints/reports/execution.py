"""Decodes the block `execution` of a report."""

from domain.evidence.reported_execution import ReportedExecution, ReportedParent
from entrypoints.reports.object_decoder import ObjectDecoder

MAX_ID = 1000
"""Bytes of an id or a name; Temporal's own limit."""
EXECUTION_FIELDS = frozenset(
    {"namespace", "workflow_id", "run_id", "first_run_id", "workflow_type", "task_queue", "started_at", "parent"}
)
PARENT_FIELDS = frozenset({"workflow_id", "first_run_id", "operation_id"})


def decode_execution(report: ObjectDecoder) -> ReportedExecution | None:
    """Returns the execution; None if the block is absent or invalid. `report` collects the violations."""
    fields = report.fields("execution", EXECUTION_FIELDS)
    if fields is None:
        return None
    namespace, workflow_id = fields.name("namespace", MAX_ID), fields.name("workflow_id", MAX_ID)
    run_id, first_run_id = fields.name("run_id", MAX_ID), fields.name("first_run_id", MAX_ID)
    workflow_type, task_queue = fields.name("workflow_type", MAX_ID), fields.name("task_queue", MAX_ID)
    started_at, parent = fields.time("started_at"), _parent(fields)
    if started_at is None:
        return None
    return ReportedExecution(
        namespace, workflow_id, run_id, first_run_id, workflow_type, task_queue, started_at, parent
    )


def _parent(execution: ObjectDecoder) -> ReportedParent | None:
    fields = execution.fields("parent", PARENT_FIELDS)
    if fields is None:
        return None
    workflow_id = fields.name("workflow_id", MAX_ID)
    first_run_id = None if fields.value("first_run_id") is None else fields.name("first_run_id", MAX_ID)
    operation_id = None if fields.value("operation_id") is None else fields.uuid("operation_id")
    return ReportedParent(workflow_id, first_run_id, operation_id)

"""Conditions of partial indexes and of the queries that use them.

PostgreSQL uses a partial index for a query that repeats its condition literally: both use these.
"""

from adapters.postgres.schema.tables.base import any_of
from domain.operation.origin import Origin
from domain.operation.status import OperationStatus

DONE = any_of("status", [status for status in OperationStatus if status.done])
NOT_DONE = any_of("status", [status for status in OperationStatus if not status.done])
DISPATCHABLE = "status = 'ACCEPTED' AND dispatch_due_at IS NOT NULL"
TO_FOLLOW_UP = "follow_up_due_at IS NOT NULL"
TO_CANCEL_CHILDREN = "cancel_children_due_at IS NOT NULL"
TO_VERIFY = "verify_due_at IS NOT NULL"
ATTENTIVE = "attention_kind IS NOT NULL"
ERRONEOUS = "error_code IS NOT NULL"
FINISHED = "finished_at IS NOT NULL"
DURABLE = f"{FINISHED} AND started_at IS NOT NULL"
PURGEABLE = f"{FINISHED} AND NOT keep"
UNFINISHED = f"dispatched_at IS NOT NULL AND {NOT_DONE}"
UNCALLED = f"{UNFINISHED} AND NOT calls_back"
NAMED = "workflow_id IS NOT NULL"
STARTED_UNDER_NAME = f"{NAMED} AND first_run_id IS NOT NULL"
CHILD = "parent_id IS NOT NULL"
STARTED_ELSEWHERE = f"origin <> '{Origin.LEDGER}'"
OPEN_ELSEWHERE = f"{STARTED_ELSEWHERE} AND {NOT_DONE}"
FINISHED_ELSEWHERE = f"{STARTED_ELSEWHERE} AND {FINISHED}"
HOLDS_WORKFLOW_ID = f"{NAMED} AND origin = '{Origin.LEDGER}' AND superseded_by IS NULL AND {NOT_DONE}"
WAITING = "status = 'ACCEPTED' AND dispatched_at IS NOT NULL"

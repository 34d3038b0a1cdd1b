"""The tables and the rules that the database enforces. The name of each constraint states its rule.

Statuses and codes are text with a CHECK. Enum types cannot be changed inside a transaction.
"""

from adapters.postgres.schema.tables.access import api_keys, stream_tickets
from adapters.postgres.schema.tables.base import THIS_TRANSACTION, metadata
from adapters.postgres.schema.tables.bulk import bulk_actions, bulk_outcomes
from adapters.postgres.schema.tables.conditions import (
    ATTENTIVE,
    DISPATCHABLE,
    DONE,
    DURABLE,
    FINISHED,
    FINISHED_ELSEWHERE,
    NOT_DONE,
    OPEN_ELSEWHERE,
    PURGEABLE,
    STARTED_UNDER_NAME,
    TO_CANCEL_CHILDREN,
    TO_FOLLOW_UP,
    TO_VERIFY,
    UNCALLED,
    UNFINISHED,
    WAITING,
)
from adapters.postgres.schema.tables.convergence import leases, watermarks
from adapters.postgres.schema.tables.numbers import operation_counts, operation_throughput, operation_throughput_changes
from adapters.postgres.schema.tables.operations import COUNTED, IDENTITY, operations, with_ids
from adapters.postgres.schema.tables.submission import idempotency_keys, submitters
from adapters.postgres.schema.tables.transitions import transitions

__all__ = [
    "ATTENTIVE",
    "COUNTED",
    "DISPATCHABLE",
    "DONE",
    "DURABLE",
    "FINISHED",
    "FINISHED_ELSEWHERE",
    "IDENTITY",
    "NOT_DONE",
    "OPEN_ELSEWHERE",
    "PURGEABLE",
    "STARTED_UNDER_NAME",
    "THIS_TRANSACTION",
    "TO_CANCEL_CHILDREN",
    "TO_FOLLOW_UP",
    "TO_VERIFY",
    "UNCALLED",
    "UNFINISHED",
    "WAITING",
    "api_keys",
    "bulk_actions",
    "bulk_outcomes",
    "idempotency_keys",
    "leases",
    "metadata",
    "operation_counts",
    "operation_throughput",
    "operation_throughput_changes",
    "operations",
    "stream_tickets",
    "submitters",
    "transitions",
    "watermarks",
    "with_ids",
]

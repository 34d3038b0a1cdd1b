"""The operation types of bulk actions."""

from datetime import timedelta
from typing import Final

from domain.bulk.bulk_action import BulkVerb, bulk_type
from domain.operation.operation_type import OperationCatalogue, OperationType
from entrypoints.own_workflow import BULK_WORKFLOW
from opledger.wire import LEDGER_TASK_QUEUE

TASK_TIMEOUT: Final = timedelta(seconds=5)
"""A workflow task that dies with its worker is given to another one after this time."""


def with_own_types(declared: OperationCatalogue) -> OperationCatalogue:
    """Returns the declared types and those of bulk actions. The worker starts these; no client can submit them."""
    own = [
        OperationType(bulk_type(verb), BULK_WORKFLOW, LEDGER_TASK_QUEUE, task_timeout=TASK_TIMEOUT) for verb in BulkVerb
    ]
    return OperationCatalogue({**declared.types, **{each.name: each for each in own}})

"""Names of the ledger's own workflow types."""

from typing import Final

RECONCILE_WORKFLOW: Final = "ReconcileOperations"
BULK_WORKFLOW: Final = "PerformBulkAction"

"""When the ledger acts next on an operation."""

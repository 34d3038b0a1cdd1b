"""What the ledger does, one use case a file."""

"""Due times of the ledger's next action on an operation."""

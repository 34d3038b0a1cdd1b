"""Cost of tracked workflows, and the delay of the ledger."""

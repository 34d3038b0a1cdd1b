"""Creates rows in the ledger and executions in Temporal."""

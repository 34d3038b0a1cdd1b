"""All ways into the ledger, and executions of other clients under the same workflow ids (hazards 34 and 39)."""

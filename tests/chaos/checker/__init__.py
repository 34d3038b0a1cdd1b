"""Says whether the ledger kept its promises. Knows tables and histories; shares no code with the service."""

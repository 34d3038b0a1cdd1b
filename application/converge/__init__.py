"""How the ledger comes to agree with the engine."""

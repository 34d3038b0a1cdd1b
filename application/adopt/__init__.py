"""Adopts executions that the ledger has not started."""

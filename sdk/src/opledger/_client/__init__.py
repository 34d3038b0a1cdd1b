"""The client of the ledger's HTTP API."""

"""The connection to Temporal, and what the ledger sets up there."""

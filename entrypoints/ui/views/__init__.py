"""What pages show, computed from what the ledger has."""

"""The ledger's API, and what the plugin needs of it."""

"""The `opledger` command for users of a ledger. Needs the extra `cli`."""

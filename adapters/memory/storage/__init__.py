"""Tables in memory, with transactions and locks."""

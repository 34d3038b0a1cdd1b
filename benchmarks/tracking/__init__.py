"""What tracked workflows cost, and how soon the ledger knows of them."""

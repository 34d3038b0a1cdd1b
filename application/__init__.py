"""What the ledger does: one service a file, each on ports alone."""

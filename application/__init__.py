"""The services of the ledger: one a file, each on ports alone."""

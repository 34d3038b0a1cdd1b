"""How the ledger is reached and run: HTTP, worker, command line, embedded parts."""

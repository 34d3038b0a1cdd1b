"""The worker process: activities and workflows of the ledger, and the loops that act on what is due."""

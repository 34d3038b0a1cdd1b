"""The ledger beside other products that keep jobs in PostgreSQL."""

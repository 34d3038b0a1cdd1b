"""The connection to Temporal, and the set-up of its namespace."""

"""Connections, the pool, and the meaning of database errors."""

"""The outside world behind the ports: PostgreSQL, Temporal, and fakes in memory."""

"""Response bodies, problem responses and event streams."""

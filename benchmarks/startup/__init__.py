"""Start time and memory of processes."""

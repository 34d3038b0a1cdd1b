"""Health, drift, and the purge of old rows."""

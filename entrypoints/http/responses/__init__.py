"""Response bodies, problems and event streams."""

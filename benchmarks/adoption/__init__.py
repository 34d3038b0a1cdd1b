"""Cost of tracking workflows that others start."""

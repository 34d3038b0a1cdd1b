"""What it costs to track workflows that others start."""

"""What it costs to ask Temporal about operations."""

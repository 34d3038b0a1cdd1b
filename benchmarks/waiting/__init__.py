"""What it costs to let many clients wait."""

"""Measurements: each a command that prints what it did, its figures, and those of the alternative from the same run."""

"""Workflows that others start, on the real servers."""

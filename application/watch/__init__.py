"""Reads operations, waits for changes, and streams them."""

"""Cancels and deletes operations."""

"""Starts the workflows of accepted operations."""

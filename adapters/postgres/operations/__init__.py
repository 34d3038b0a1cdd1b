"""Reads and writes operations."""

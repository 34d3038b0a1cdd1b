"""Parses and validates requests."""

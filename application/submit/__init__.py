"""Accepts operations."""

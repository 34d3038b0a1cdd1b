"""Temporal behind the ports."""

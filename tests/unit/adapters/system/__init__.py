"""Adapters of the machine."""

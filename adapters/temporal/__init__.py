"""Adapters for Temporal."""

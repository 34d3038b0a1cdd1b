"""Reads the facts: rows from PostgreSQL, runs from Temporal."""

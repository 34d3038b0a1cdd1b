"""Connections to the database, and their errors."""

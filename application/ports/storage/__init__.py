"""Ports of the database: what is stored, and in which transactions."""

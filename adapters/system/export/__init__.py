"""Destinations to which operations are exported."""

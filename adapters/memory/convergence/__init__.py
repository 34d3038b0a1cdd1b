"""Watermarks, turns and drift."""

"""Bulk actions: one verb on many operations."""

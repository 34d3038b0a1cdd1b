"""Requests for bulk actions: filters and confirmation tokens."""

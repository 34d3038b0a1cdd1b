"""Bulk actions: dry runs, confirmations, and the work on the targets."""

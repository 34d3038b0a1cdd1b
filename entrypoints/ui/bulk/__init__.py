"""Bulk actions on the list of operations: dry run, confirmation, and targets."""

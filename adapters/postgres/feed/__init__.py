"""The change feed and the notifications that wake its readers."""

"""Parameters, filters and page tokens of the list of operations."""

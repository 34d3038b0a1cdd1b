"""The machine of bulk actions."""

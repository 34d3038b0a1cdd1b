"""Routes of the dashboard, one module a page."""

"""Renders pages: templates, static files, and what every page shows."""

"""Keeps open pages up to date: parts of pages, and rows of the list."""

"""Ports of the workflow engine."""

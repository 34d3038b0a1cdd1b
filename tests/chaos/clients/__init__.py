"""Clients that submit operations, and that interfere with their executions."""

"""A workflow engine, in memory."""

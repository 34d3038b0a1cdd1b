"""The system under test, and its processes."""

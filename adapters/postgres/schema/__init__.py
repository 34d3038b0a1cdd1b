"""Tables, grants and migrations."""

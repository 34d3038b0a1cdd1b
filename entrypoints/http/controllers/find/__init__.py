"""Routes that find and count operations."""

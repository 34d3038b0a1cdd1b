"""What requests to the API cost."""

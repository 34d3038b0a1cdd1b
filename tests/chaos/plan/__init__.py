"""What a campaign does and when, as a function of its seed."""

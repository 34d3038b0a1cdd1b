"""What the services need from outside, one role a file."""

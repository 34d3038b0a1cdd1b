"""The workflows that the service's own worker runs."""

"""Cost of requests to the API."""

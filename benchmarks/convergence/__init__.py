"""Cost of requests to Temporal about operations."""

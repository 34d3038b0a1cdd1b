"""The HTTP server: uvicorn, its limits, and what runs around every request."""

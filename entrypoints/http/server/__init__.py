"""The HTTP server: uvicorn, its limits, and the middleware around every request."""

"""The dashboard: HTML pages on the services of the HTTP API, served by the same process."""

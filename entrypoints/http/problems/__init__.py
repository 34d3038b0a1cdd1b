"""Problem details (RFC 9457): the errors of the API."""

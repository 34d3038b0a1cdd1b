"""Verifies JSON Web Tokens (RFC 7519) of one identity provider."""

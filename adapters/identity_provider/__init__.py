"""Identity provider: verification of its tokens (RFC 7519), and sign-in of people (OpenID Connect)."""

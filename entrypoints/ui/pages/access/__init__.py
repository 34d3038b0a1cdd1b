"""Pages: sign-in and sign-out, by key and at the identity provider."""

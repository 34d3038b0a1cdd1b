"""Authentication, authorization, and checks of host, origin, path and headers."""

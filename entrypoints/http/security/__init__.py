"""Who may use the API, from where, and under which address."""

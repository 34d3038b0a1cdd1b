"""The database's schema, revision by revision (Alembic). `adapters.postgres.migrations` runs them."""

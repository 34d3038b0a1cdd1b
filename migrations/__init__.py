"""The database's schema, revision by revision (Alembic). `adapters.postgres.schema.migrations` runs them."""

"""The database schema as Alembic revisions, which `adapters.postgres.schema.migrations` runs."""

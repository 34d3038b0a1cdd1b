"""Alembic's entry point: runs the revisions on the caller's connection, in its transaction."""

from alembic import context

from adapters.postgres.schema.revision import SCHEMA
from adapters.postgres.schema.tables import metadata

context.configure(
    connection=context.config.attributes["connection"], target_metadata=metadata, version_table_schema=SCHEMA
)
context.run_migrations()

"""Alembic's entry: runs the revisions on the connection, and in the transaction, of its caller."""

from alembic import context

from adapters.postgres.schema.tables import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()

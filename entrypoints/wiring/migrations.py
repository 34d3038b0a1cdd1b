"""Migration of the database."""

from adapters.postgres.schema.revision import CURRENT, is_current


async def migrate(database_url: str) -> str:
    """Migrates the database to this version's schema and returns what was done, in words. Raises StartupError,
    DatabaseUnavailable."""
    already = f"the database is at {CURRENT} already"
    if await is_current(database_url):
        return already
    from adapters.postgres.schema.migrations import migrate as upgrade  # late: Alembic takes a while to import

    done = await upgrade(database_url)
    if done.before == done.after:  # another process has migrated it meanwhile
        return already
    return f"the database went from {done.before or 'empty'} to {done.after}"

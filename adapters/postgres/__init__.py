"""The database: PostgreSQL, through SQLAlchemy Core and asyncpg."""

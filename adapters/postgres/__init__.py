"""The ledger's database: PostgreSQL, by SQLAlchemy Core and asyncpg."""

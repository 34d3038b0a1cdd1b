"""Counts of operations, kept by triggers as a table of changes."""

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

FUNCTION = """
CREATE FUNCTION operations_count() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO operation_counts (tenant, type, status, error_code, change)
        SELECT tenant, type, status, coalesce(error_code, ''), count(*) FROM added GROUP BY 1, 2, 3, 4;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO operation_counts (tenant, type, status, error_code, change)
        SELECT tenant, type, status, coalesce(error_code, ''), -count(*) FROM removed GROUP BY 1, 2, 3, 4;
    ELSE
        INSERT INTO operation_counts (tenant, type, status, error_code, change)
        SELECT tenant, type, status, error_code, sum(change) FROM (
            SELECT tenant, type, status, coalesce(error_code, '') AS error_code, 1 AS change FROM added
            UNION ALL
            SELECT tenant, type, status, coalesce(error_code, ''), -1 FROM removed
        ) AS changes GROUP BY 1, 2, 3, 4 HAVING sum(change) <> 0;
    END IF;
    RETURN NULL;
END
$$
"""
TRIGGER = """
CREATE TRIGGER operations_{event}_counted AFTER {event} ON operations REFERENCING {tables}
FOR EACH STATEMENT EXECUTE FUNCTION operations_count()
"""
UP = (
    """
    CREATE TABLE operation_counts (
        tenant text NOT NULL,
        type text NOT NULL,
        status text NOT NULL,
        error_code text NOT NULL,
        change bigint NOT NULL
    )
    """,
    "COMMENT ON COLUMN operation_counts.error_code IS 'empty: no error'",
    "COMMENT ON COLUMN operation_counts.change IS 'the sum of all changes of a group is the number of its operations'",
    # It has no key, and logical replication refuses to delete from a table without one.
    "ALTER TABLE operation_counts REPLICA IDENTITY FULL",
    "CREATE INDEX ix_operation_counts_tenant ON operation_counts (tenant)",
    FUNCTION,
    # These lock the table against writes until the migration commits, so that no change is missed.
    TRIGGER.format(event="insert", tables="NEW TABLE AS added"),
    TRIGGER.format(event="update", tables="OLD TABLE AS removed NEW TABLE AS added"),
    TRIGGER.format(event="delete", tables="OLD TABLE AS removed"),
    """
    INSERT INTO operation_counts (tenant, type, status, error_code, change)
    SELECT tenant, type, status, coalesce(error_code, ''), count(*) FROM operations GROUP BY 1, 2, 3, 4
    """,
    "DROP INDEX ix_operations_counts",
)
DOWN = (
    "CREATE INDEX ix_operations_counts ON operations (tenant, type, status)",
    "DROP TRIGGER operations_delete_counted ON operations",
    "DROP TRIGGER operations_update_counted ON operations",
    "DROP TRIGGER operations_insert_counted ON operations",
    "DROP FUNCTION operations_count()",
    "DROP TABLE operation_counts",
)


def upgrade() -> None:
    """Counts the operations once, and from then on their changes."""
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    """Drops the counts."""
    for statement in DOWN:
        op.execute(statement)

"""Numbers of operations that start and end over time, kept by the triggers of the counts."""

from alembic import op

revision = "0029"
down_revision = "0028"
branch_labels = None
depends_on = None

COUNTED_BEFORE = """
CREATE OR REPLACE FUNCTION operations_count() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
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
ROWS = """
    SELECT tenant, type, status, coalesce(error_code, '') AS error_code, started_at, finished_at, {sign}1 AS change
    FROM {table}
"""
EVENTS = """
    CROSS JOIN LATERAL (VALUES (started_at, 'RUNNING', ''), (finished_at, status, coalesce(error_code, '')))
        AS event (at, status, error_code)
    WHERE event.at IS NOT NULL
"""
# A change that neither starts nor ends an operation adds and removes the same, and leaves no row. A deletion does not
# change what was.
COUNTED = f"""
CREATE OR REPLACE FUNCTION operations_count() RETURNS trigger LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO operation_counts (tenant, type, status, error_code, change)
        SELECT tenant, type, status, coalesce(error_code, ''), count(*) FROM added GROUP BY 1, 2, 3, 4;
        INSERT INTO operation_throughput_changes (tenant, at, type, status, error_code, change)
        SELECT tenant, date_trunc('minute', event.at, 'UTC'), type, event.status, event.error_code, count(*)
        FROM added {EVENTS} GROUP BY 1, 2, 3, 4, 5;
    ELSIF TG_OP = 'DELETE' THEN
        INSERT INTO operation_counts (tenant, type, status, error_code, change)
        SELECT tenant, type, status, coalesce(error_code, ''), -count(*) FROM removed GROUP BY 1, 2, 3, 4;
    ELSE
        WITH changes AS MATERIALIZED (
            {ROWS.format(sign="", table="added")} UNION ALL {ROWS.format(sign="-", table="removed")}
        ), counted AS (
            INSERT INTO operation_counts (tenant, type, status, error_code, change)
            SELECT tenant, type, status, error_code, sum(change) FROM changes
            GROUP BY 1, 2, 3, 4 HAVING sum(change) <> 0
        )
        INSERT INTO operation_throughput_changes (tenant, at, type, status, error_code, change)
        SELECT tenant, date_trunc('minute', event.at, 'UTC'), type, event.status, event.error_code, sum(change)
        FROM changes {EVENTS} GROUP BY 1, 2, 3, 4, 5 HAVING sum(change) <> 0;
    END IF;
    RETURN NULL;
END
$$
"""  # noqa: S608 -- constants
UP = (
    """
    CREATE TABLE operation_throughput_changes (
        tenant text NOT NULL,
        at timestamptz NOT NULL,
        type text NOT NULL,
        status text NOT NULL,
        error_code text NOT NULL,
        change bigint NOT NULL
    )
    """,
    "COMMENT ON COLUMN operation_throughput_changes.at IS 'start of the minute'",
    "COMMENT ON COLUMN operation_throughput_changes.status IS 'RUNNING: operations that started'",
    "COMMENT ON COLUMN operation_throughput_changes.error_code IS 'empty: no error'",
    "ALTER TABLE operation_throughput_changes REPLICA IDENTITY FULL",
    "CREATE INDEX ix_operation_throughput_changes_tenant ON operation_throughput_changes (tenant)",
    """
    CREATE TABLE operation_throughput (
        tenant text NOT NULL,
        minutes smallint NOT NULL,
        at timestamptz NOT NULL,
        type text NOT NULL,
        status text NOT NULL,
        error_code text NOT NULL,
        number bigint NOT NULL,
        CONSTRAINT pk_operation_throughput PRIMARY KEY (tenant, minutes, at, type, status, error_code)
    )
    """,
    "COMMENT ON COLUMN operation_throughput.minutes IS 'length of the bucket'",
    "COMMENT ON COLUMN operation_throughput.at IS 'start of the bucket'",
    "COMMENT ON COLUMN operation_throughput.status IS 'RUNNING: operations that started'",
    "COMMENT ON COLUMN operation_throughput.error_code IS 'empty: no error'",
    "CREATE INDEX ix_operation_throughput_old ON operation_throughput (minutes, at)",
    # Writes wait until the end of the migration, so that no change is missed.
    "LOCK TABLE operations IN SHARE ROW EXCLUSIVE MODE",
    COUNTED,
    f"""
    INSERT INTO operation_throughput_changes (tenant, at, type, status, error_code, change)
    SELECT tenant, date_trunc('minute', event.at, 'UTC'), type, event.status, event.error_code, count(*)
    FROM operations {EVENTS} AND event.at > now() - interval '14 days' GROUP BY 1, 2, 3, 4, 5
    """,  # noqa: S608 -- constants
)
DOWN = (COUNTED_BEFORE, "DROP TABLE operation_throughput", "DROP TABLE operation_throughput_changes")


def upgrade() -> None:
    """Counts what started and ended in the last two weeks once, and from then on what starts and ends."""
    for statement in UP:
        op.execute(statement)


def downgrade() -> None:
    """Drops the numbers."""
    for statement in DOWN:
        op.execute(statement)

"""The leases of periodic work under their usual name."""

from alembic import op

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

# PostgreSQL 18 names NOT NULL constraints too.
CONSTRAINTS = """
    DO $$
    DECLARE old_name name;
    BEGIN
        FOR old_name IN SELECT conname FROM pg_constraint WHERE conrelid = '{new}'::regclass LOOP
            EXECUTE format(
                'ALTER TABLE {new} RENAME CONSTRAINT %I TO %I', old_name, replace(old_name, '{old}', '{new}')
            );
        END LOOP;
    END $$
"""


def upgrade() -> None:
    """The rows stay as they are."""
    _rename("turns", "leases")


def downgrade() -> None:
    """The rows stay as they are."""
    _rename("leases", "turns")


def _rename(old: str, new: str) -> None:
    op.execute(f"ALTER TABLE {old} RENAME TO {new}")
    op.execute(CONSTRAINTS.format(old=old, new=new))

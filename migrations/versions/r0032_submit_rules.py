"""Submission in SQL refuses what the HTTP API refuses, and names the field of a delay that is too long."""

from alembic import op

from migrations.versions.r0024_submit import RULES, SUBMIT

revision = "0032"
down_revision = "0030"
branch_labels = None
depends_on = None

TYPE_LENGTH = """\
        errors := errors || 'type: has 1 to 255 characters'::text;
    END IF;
"""
KEY_LENGTH = """\
    IF idempotency_key IS NOT NULL AND char_length(idempotency_key) NOT BETWEEN 1 AND 255 THEN
        errors := errors || 'idempotency_key: has 1 to 255 characters'::text;
"""
# Before the check of the delay: the sum may be out of range.
EARLY_SUM = """\
    starts timestamptz := CASE WHEN submit.delay IS NULL THEN submit.start_at ELSE now_at + submit.delay END;
"""
RULES_CHANGES = {
    TYPE_LENGTH: """\
        errors := errors || 'type: has 1 to 255 characters'::text;
    ELSIF type ~ '[\\u0001-\\u001f\\u007f-\\u009f]' COLLATE "C" THEN
        errors := errors || 'type: must not have control characters'::text;
    END IF;
""",
    KEY_LENGTH: """\
    IF idempotency_key !~ '^[\\u0020-\\u007e]{1,255}$' COLLATE "C" THEN
        errors := errors || 'idempotency_key: has 1 to 255 printable ASCII characters'::text;
""",
}
SUBMIT_CHANGES = {
    EARLY_SUM: """\
    starts timestamptz;
""",
    """\
    starts := CASE WHEN starts > now_at THEN starts END;
""": """\
    starts := CASE WHEN submit.delay IS NULL THEN submit.start_at ELSE now_at + submit.delay END;
    starts := CASE WHEN starts > now_at THEN starts END;
""",
}


def replacing(function: str, changes: dict[str, str] | None = None) -> str:
    """Returns the statement that replaces the function by this one, with the changes."""
    for before, after in (changes or {}).items():
        function = function.replace(before, after)
    return function.replace("CREATE FUNCTION ", "CREATE OR REPLACE FUNCTION opledger.")


def upgrade() -> None:
    """Replaces the functions. Their owner and who may call them stay."""
    op.execute(replacing(RULES, RULES_CHANGES))
    op.execute(replacing(SUBMIT, SUBMIT_CHANGES))


def downgrade() -> None:
    """Restores the functions."""
    op.execute(replacing(RULES))
    op.execute(replacing(SUBMIT))

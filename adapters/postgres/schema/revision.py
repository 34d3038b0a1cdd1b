"""The schema revisions that this version knows. Without Alembic, which only `opledger migrate` needs."""

from typing import Final

from domain.errors import StartupError

CURRENT: Final = "0014"
"""The revision that this version works with: that of the newest file in migrations/versions."""
_FIRST: Final = "0001"


def is_known(revision: str) -> bool:
    """Whether it is the current revision or an earlier one."""
    return len(revision) == len(CURRENT) and revision.isdecimal() and _FIRST <= revision <= CURRENT


def check_known(revision: str | None) -> None:
    """Raises StartupError: a newer version of opledger has migrated the database. None is an empty database."""
    if revision is not None and not is_known(revision):
        raise StartupError(
            f"the database is at revision {revision}, which this version does not know (it knows {CURRENT} and earlier "
            "ones): run the newer opledger that migrated it"
        )

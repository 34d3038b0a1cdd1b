"""The revisions that this version knows are those of its migrations."""

import pytest
from alembic.script import ScriptDirectory

from adapters.postgres.schema.migrations import _config
from adapters.postgres.schema.revision import CURRENT, check_known, is_known
from domain.errors import StartupError


def test_known_revisions_are_those_of_the_migrations() -> None:
    """A new file in migrations/versions needs CURRENT to be raised."""
    scripts = ScriptDirectory.from_config(_config())
    assert scripts.get_current_head() == CURRENT
    assert all(is_known(script.revision) for script in scripts.walk_revisions())


@pytest.mark.parametrize("revision", ["0000", "9999", f"{int(CURRENT) + 1:04}", "001", "x001", "", "00013"])
def test_other_revisions_are_unknown(revision: str) -> None:
    """Whatever they look like."""
    with pytest.raises(StartupError, match="run the newer opledger that migrated it"):
        check_known(revision)


def test_an_empty_database_is_known() -> None:
    """It is only not migrated yet."""
    check_known(None)

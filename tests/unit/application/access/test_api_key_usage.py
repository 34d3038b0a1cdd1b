"""When the last uses of API keys are stored."""

from datetime import UTC, datetime

import pytest

from adapters.memory.access.api_keys import MemoryApiKeys
from application.access.api_key_usage import NoteKeyUses
from application.batching.step_result import StepResult
from application.ports.storage.unit_of_work import DatabaseUnavailable
from domain.access.api_key import make_api_key
from domain.access.scope import ALL_SCOPES
from entrypoints.http.security.key_usage import EVERY, noting

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def test_uses_are_stored_at_most_once_a_minute() -> None:
    """Also if there are none, and during a database outage."""
    assert EVERY.idle == EVERY.between == EVERY.outage == 60


async def test_shutdown_stores_the_remaining_uses() -> None:
    """A stopped process loses none."""
    keys = MemoryApiKeys()
    made = make_api_key(b"1" * 5, b"2" * 20, name="n", tenant="t", scopes=ALL_SCOPES, now=NOW, expires_at=None)
    await keys.add(made.stored)
    uses = NoteKeyUses(keys)
    async with noting(uses):
        uses.note(made.stored.prefix, NOW)
    [stored] = await keys.list()
    assert stored.last_used_at == NOW


async def test_an_outage_at_shutdown_does_not_stop_the_shutdown(caplog: pytest.LogCaptureFixture) -> None:
    """It is logged."""

    class Away(NoteKeyUses):
        async def step(self, limit: int) -> StepResult:
            raise DatabaseUnavailable

    async with noting(Away(MemoryApiKeys())):
        pass
    assert "could not store the last uses of API keys" in caplog.text

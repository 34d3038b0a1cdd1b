"""Stores when API keys were last used, in the background."""

from datetime import datetime

from application.batching.step_result import StepResult
from application.ports.storage.api_keys import ApiKeyReader


class NoteKeyUses:
    """Collects uses in memory; `step` is called once a minute. A process that is killed loses what it collected, and
    the keys show an earlier use."""

    def __init__(self, keys: ApiKeyReader) -> None:
        self._keys = keys
        self._last_used: dict[str, datetime] = {}

    def note(self, prefix: str, at: datetime) -> None:
        """Notes a use of the key, in memory."""
        self._last_used[prefix] = at

    async def step(self, limit: int) -> StepResult:
        """Stores up to `limit` uses. Raises DatabaseUnavailable; the uses are kept for the next step."""
        batch = dict(list(self._last_used.items())[:limit])
        await self._keys.note_used(batch)
        for prefix, at in batch.items():
            if self._last_used[prefix] == at:
                del self._last_used[prefix]
        return StepResult(len(batch))

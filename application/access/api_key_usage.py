"""Note when API keys were last used, behind the requests' back."""

from datetime import datetime

from application.batching.claim_loop import ClaimResult
from application.ports.api_keys import ApiKeyReader


class NoteKeyUses:
    """Collects in memory; somebody calls `step` once a minute. What a killed process had collected is lost, and the
    keys show their use before."""

    def __init__(self, keys: ApiKeyReader) -> None:
        self._keys = keys
        self._last_used: dict[str, datetime] = {}

    def note(self, prefix: str, at: datetime) -> None:
        """The key is used now. Costs nothing that a request would feel."""
        self._last_used[prefix] = at

    async def step(self, limit: int) -> ClaimResult:
        """Store up to `limit` of what was collected. Raises DatabaseUnavailable; then it is kept for the next step."""
        batch = dict(list(self._last_used.items())[:limit])
        await self._keys.note_used(batch)
        for prefix, at in batch.items():
            if self._last_used[prefix] == at:
                del self._last_used[prefix]
        return ClaimResult(len(batch))

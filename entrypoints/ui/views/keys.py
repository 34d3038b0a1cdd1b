"""The view of the API keys of a tenant."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from application.access.authenticate import credential_of
from entrypoints.ui.live.view import Source, View


@dataclass(frozen=True)
class KeysView(View):
    """`credential`: that of the session, which the list marks."""

    credential: str | None
    template: ClassVar[str] = "live/keys.html"
    follows_changes: ClassVar[bool] = False
    refresh: ClassVar[float] = 5.0

    async def read(self, source: Source) -> Mapping[str, Any]:
        manage, now = source.services.keys, source.now
        keys = [] if manage is None else await manage.list(self.tenant)
        return {
            "tenant": self.tenant,
            "keys": sorted(keys, key=lambda key: (not key.is_valid(now), -key.created_at.timestamp())),
            "own": next((key.prefix for key in keys if credential_of(key.prefix) == self.credential), None),
        }

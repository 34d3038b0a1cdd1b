"""The APIs, and the keys that clients have for them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Servers:
    """What a client needs to know of the system under test."""

    urls: Sequence[str]
    keys: Mapping[str, str]
    """API keys by tenant."""

    def headers(self, tenant: str) -> dict[str, str]:
        """Of each request of the tenant's client."""
        return {"Authorization": f"Bearer {self.keys[tenant]}"}

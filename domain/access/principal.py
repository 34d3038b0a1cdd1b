"""Who makes a request."""

from dataclasses import dataclass, field
from datetime import datetime

from domain.access.scope import Scope


@dataclass(frozen=True, slots=True)
class Principal:
    """A client, and the one tenant whose operations it can see."""

    tenant: str
    actor: str | None = None
    """What the history calls it; None: nobody knows who it is."""
    scopes: frozenset[Scope] = frozenset()
    credential: str | None = None
    """Which key or subject it showed, for limits and logs: never a secret. None: it showed none."""
    expires_at: datetime | None = field(default=None, compare=False)
    """When the credential expires; None: never."""

"""The authenticated client of a request."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

from domain.access.scope import Scope

DEFAULT_TENANT: Final = "default"
"""Tenant of clients without credentials, and of operations that a watch rule without a tenant adopts."""


@dataclass(frozen=True, slots=True)
class Principal:
    """A client and its tenant. It sees only the operations of that tenant."""

    tenant: str
    actor: str | None = None
    """Name in the history; None: anonymous."""
    scopes: frozenset[Scope] = frozenset()
    credential: str | None = None
    """Key prefix or token subject, for rate limits and logs; never a secret. None: no credential."""
    expires_at: datetime | None = field(default=None, compare=False)
    """Expiry of the credential; None: it does not expire."""

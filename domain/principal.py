"""Who makes a request."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Principal:
    """A client, and the one tenant whose operations it can see."""

    tenant: str
    actor: str | None = None
    """What the history calls it; None: nobody knows who it is."""

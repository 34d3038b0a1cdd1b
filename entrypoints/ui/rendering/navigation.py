"""The sections of the dashboard, in the order of the navigation."""

from dataclasses import dataclass
from typing import Final

from domain.access.scope import Scope


@dataclass(frozen=True, slots=True)
class Section:
    """A page of the navigation. It is shown to callers that may read, and have the scope."""

    name: str
    path: str
    scope: Scope = Scope.READ


SECTIONS: Final = (
    Section("Now", "/"),
    Section("Operations", "/operations"),
    Section("Start", "/start", Scope.SUBMIT),
    Section("Types", "/types"),
    Section("Keys", "/keys", Scope.ADMIN),
    Section("Health", "/health"),
)

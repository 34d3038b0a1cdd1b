"""What a client may do."""

from collections.abc import Iterable, Set
from enum import StrEnum

from domain.errors import OpledgerError


class Scope(StrEnum):
    """One permission, within the client's tenant."""

    READ = "read"
    SUBMIT = "submit"
    CANCEL = "cancel"
    ADMIN = "admin"
    """All of these, and what cannot be undone, such as deleting operations."""


class MissingScope(OpledgerError):
    """The client may not do this."""


ALL_SCOPES = frozenset(Scope)


def check_scope(held: Set[Scope], needed: Scope) -> None:
    """Raises MissingScope, which names the one that is needed and those that are held."""
    if needed not in held and Scope.ADMIN not in held:
        raise MissingScope(f"this needs the scope {needed}; the credential has {scope_names(held)}")


def scope_names(scopes: Iterable[Scope]) -> str:
    """Their names in the order of their power, separated by blanks (RFC 6749, 3.3); "none" where there are none."""
    held = set(scopes)
    return " ".join(scope for scope in Scope if scope in held) or "none"

"""Scopes: the permissions of a client."""

from collections.abc import Iterable, Set
from enum import StrEnum

from domain.errors import OpledgerError


class Scope(StrEnum):
    """One permission, within the client's tenant."""

    READ = "read"
    """Read, list and count operations, their histories and events."""
    SUBMIT = "submit"
    """Submit and retry operations. The answer to a retry has the input of the retried operation."""
    CANCEL = "cancel"
    """Request cancellation or termination, and acknowledge problems. The answer is the operation, input included."""
    REPORT = "report"
    """Report about workflows; used by the plugin."""
    ADMIN = "admin"
    """All other scopes, and irreversible actions such as deleting operations."""


class MissingScope(OpledgerError):
    """The credential does not have the scope that the request needs."""


ALL_SCOPES = frozenset(Scope)


def check_scope(held: Set[Scope], needed: Scope) -> None:
    """Raises MissingScope, with the needed scope and the held ones."""
    if needed not in held and Scope.ADMIN not in held:
        raise MissingScope(f"this needs the scope {needed}; the credential has {scope_names(held)}")


def scope_names(scopes: Iterable[Scope]) -> str:
    """Names of the scopes, separated by spaces (RFC 6749, 3.3), weakest first; "none" if there are none."""
    held = set(scopes)
    return " ".join(scope for scope in Scope if scope in held) or "none"

"""What the database's errors mean: unreachable, a broken rule, or a bug (which stays what it is)."""

import contextlib
from collections.abc import Iterator
from typing import Final

import asyncpg
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from application.ports.unit_of_work import DatabaseContended, DatabaseRefused, DatabaseUnavailable
from domain.errors import InvalidInput, InvalidTransition, OperationNotDone, OperationNotFound, OpledgerError

# Of SQLSTATE: connection lost (08), rolled back for others' sake (40), out of resources (53), shutting down, starting
# up or a timeout (57), a lock not had in time, demoted to a replica by a fail-over, idle for too long in a transaction.
_UNAVAILABLE = ("08", "40", "53", "57", "55P03", "25006", "25P03")

# A prepared statement that is not there, or is there already: another connection's, given to us by a pooler.
_POOLED = ("26000", "42P05")

POOLER_HINT: Final = (
    "if DATABASE_URL is a pooler's, such as pgbouncer, in transaction mode, set OPLEDGER_DATABASE_DIRECT_URL to the "
    "server's own URL"
)

# A lock not had in time, a deadlock.
_CONTENDED = ("55P03", "40P01")

_TOO_LONG = "has 1 to 255 characters"
CONSTRAINTS: dict[str, tuple[type[OpledgerError], str]] = {
    "pk_operations": (InvalidTransition, "the operation exists already"),
    "pk_transitions": (InvalidTransition, "the history would have a repeat"),
    "ck_operations_tenant_length": (InvalidInput, f"a tenant {_TOO_LONG}"),
    "ck_operations_type_length": (InvalidInput, f"an operation type {_TOO_LONG}"),
    "ck_operations_progress_fraction_0_to_1": (InvalidInput, "the fraction of a progress is between 0 and 1"),
    "ck_idempotency_keys_tenant_length": (InvalidInput, f"a tenant {_TOO_LONG}"),
    "ck_idempotency_keys_key_length": (InvalidInput, f"an idempotency key {_TOO_LONG}"),
    "fk_idempotency_keys_operation_id_operations": (
        OperationNotFound,
        "an idempotency key belongs to an operation that is not stored",
    ),
    "operations_outcome_is_final": (InvalidTransition, "the operation is done, which is final"),
    "operations_running_is_not_taken_back": (InvalidTransition, "RUNNING cannot become ACCEPTED"),
    "operations_unfinished_is_not_deleted": (OperationNotDone, "what is not done cannot be deleted"),
}
"""By name. Every other CHECK states what a row of the ledger is, and its violation is an InvalidTransition."""


@contextlib.contextmanager
def connecting() -> Iterator[None]:
    """Raise DatabaseUnavailable in place of whatever keeps a connection from being made."""
    try:
        yield
    except PoolTimeout as error:
        raise DatabaseUnavailable("every database connection is in use") from error
    except DBAPIError as error:
        raise _unavailable(_cause(error) or error) from error
    except AsyncAdapt_asyncpg_dbapi.Error as error:
        # What SQLAlchemy wants to know of a server it asks on the first connection, also of who is given that one bare.
        raise _unavailable(error.__cause__ or error) from error
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise _unavailable(error) from error


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Raise DatabaseUnavailable, or the error of the broken rule, in place of what the driver raises."""
    try:
        yield
    except DBAPIError as error:
        cause = _cause(error) or error
        meaning = _unavailable(cause) if error.connection_invalidated else _meaning(cause)
        if meaning is None:
            raise
        raise meaning from error
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        # Of a driver that was asked straight; and SQLAlchemy passes on what it does not take for the driver's.
        meaning = _meaning(error)
        if meaning is None:
            raise
        raise meaning from error


def _meaning(cause: BaseException) -> OpledgerError | None:
    """Of the driver's own error."""
    sqlstate = getattr(cause, "sqlstate", None) or ""
    if sqlstate in _CONTENDED:
        return DatabaseContended(f"the database cannot be used: {cause}")
    if sqlstate.startswith(_UNAVAILABLE) or sqlstate in _POOLED or isinstance(cause, OSError | asyncpg.InterfaceError):
        return _unavailable(cause)
    name = getattr(cause, "constraint_name", None) or ""
    if name in CONSTRAINTS:
        kind, message = CONSTRAINTS[name]
        return kind(message)
    if isinstance(cause, asyncpg.CheckViolationError):
        return InvalidTransition(f"the ledger's rule {name} is violated")
    if isinstance(cause, asyncpg.InsufficientPrivilegeError):
        return DatabaseRefused(f"the role of DATABASE_URL may not do this: {cause}")
    return None


def _cause(error: DBAPIError) -> BaseException | None:
    """The driver's own error."""
    return error.orig.__cause__ if error.orig is not None else None


def _unavailable(cause: BaseException) -> DatabaseUnavailable:
    words = f"the database cannot be used: {str(cause) or type(cause).__name__}"
    sqlstate = getattr(cause, "sqlstate", None) or ""
    pooled = sqlstate in _POOLED or (sqlstate == "08P01" and "startup parameter" in str(cause))
    if not pooled:
        return DatabaseUnavailable(words)
    return DatabaseUnavailable(
        f"{words.partition(chr(10))[0]}; {POOLER_HINT}"
    )  # the driver's own hint is for developers

"""Translates database errors: unavailable, contended, refused, rule violated. Others are bugs and pass unchanged."""

import contextlib
from collections.abc import Iterator
from typing import Final

import asyncpg
from sqlalchemy.dialects.postgresql.asyncpg import AsyncAdapt_asyncpg_dbapi
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from application.ports.storage.operation_repository import ChainTaken, WorkflowIdTaken
from application.ports.storage.unit_of_work import (
    DatabaseContended,
    DatabaseRefused,
    DatabaseTimeout,
    DatabaseUnavailable,
)
from domain.errors import InvalidInput, InvalidTransition, OperationNotDone, OperationNotFound, OpledgerError

# SQLSTATE classes and codes: connection lost (08), rolled back because of a conflict (40), out of resources (53),
# shutdown, startup or timeout (57), lock timeout, read-only after a failover, idle for too long in a transaction.
_UNAVAILABLE = ("08", "40", "53", "57", "55P03", "25006", "25P03")

# A prepared statement is missing, or exists already: a pooler has given us another connection.
_POOLED = ("26000", "42P05")

# The connection takes no call. InternalClientError: it has received the last error of a dying server, and not its end.
_UNUSABLE: Final = (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError)

POOLER_HINT: Final = (
    "if DATABASE_URL is a pooler's, such as pgbouncer, in transaction mode, set OPLEDGER_DATABASE_DIRECT_URL to the "
    "server's own URL"
)

# Lock timeout, deadlock.
_CONTENDED = ("55P03", "40P01")

# Statement timeout, or an operator has cancelled the statement.
_TOO_SLOW = "57014"

_TOO_LONG = "has 1 to 255 characters"
CONSTRAINTS: dict[str, tuple[type[OpledgerError], str]] = {
    "pk_operations": (InvalidTransition, "the operation exists already"),
    "ux_operations_open_workflow_id": (WorkflowIdTaken, "an open operation has the workflow id"),
    "ux_operations_chain": (ChainTaken, "another operation has the workflow chain"),
    "pk_transitions": (InvalidTransition, "the history would have a repeat"),
    "ck_operations_tenant_length": (InvalidInput, f"a tenant {_TOO_LONG}"),
    "ck_operations_type_length": (InvalidInput, f"an operation type {_TOO_LONG}"),
    "ck_operations_progress_fraction_0_to_1": (InvalidInput, "the fraction of a progress is between 0 and 1"),
    "ck_submitters_tenant_length": (InvalidInput, f"a tenant {_TOO_LONG}"),
    "ck_idempotency_keys_tenant_length": (InvalidInput, f"a tenant {_TOO_LONG}"),
    "ck_idempotency_keys_key_length": (InvalidInput, f"an idempotency key {_TOO_LONG}"),
    "fk_idempotency_keys_operation_id_operations": (
        OperationNotFound,
        "an idempotency key belongs to an operation that is not stored",
    ),
    "fk_bulk_actions_operation_id_operations": (
        OperationNotFound,
        "a confirmed bulk action belongs to an operation that is not stored",
    ),
    "operations_outcome_is_final": (InvalidTransition, "the operation is done, which is final"),
    "operations_running_is_not_taken_back": (InvalidTransition, "RUNNING cannot become ACCEPTED"),
    "operations_workflow_id_is_kept": (InvalidTransition, "an operation keeps its workflow id"),
    "operations_unfinished_is_not_deleted": (OperationNotDone, "the operation is not done: it cannot be deleted"),
}
"""Error and message by the name of the constraint, trigger or unique index. The violation of any other CHECK is an
InvalidTransition."""


@contextlib.contextmanager
def connecting() -> Iterator[None]:
    """Raises DatabaseUnavailable in place of any error of connecting."""
    try:
        yield
    except PoolTimeout as error:
        raise DatabaseUnavailable("every database connection is in use") from error
    except DBAPIError as error:
        raise _unavailable(_cause(error) or error) from error
    except AsyncAdapt_asyncpg_dbapi.Error as error:
        # SQLAlchemy queries the server on the first connection, even if that one is used without SQLAlchemy.
        raise _unavailable(error.__cause__ or error) from error
    except (asyncpg.PostgresError, *_UNUSABLE) as error:
        raise _unavailable(error) from error


@contextlib.contextmanager
def translated() -> Iterator[None]:
    """Raises DatabaseUnavailable, or the violated rule's error, in place of the driver's error."""
    try:
        yield
    except DBAPIError as error:
        cause = _cause(error) or error
        meaning = _unavailable(cause) if error.connection_invalidated else _meaning(cause)
        if meaning is None:
            raise
        raise meaning from error
    except (asyncpg.PostgresError, *_UNUSABLE) as error:
        # From raw statements; SQLAlchemy too passes on errors that it does not know as the driver's.
        meaning = _meaning(error)
        if meaning is None:
            raise
        raise meaning from error


def _meaning(cause: BaseException) -> OpledgerError | None:
    """Returns what the driver's error means; None: a bug."""
    sqlstate = getattr(cause, "sqlstate", None) or ""
    if sqlstate in _CONTENDED:
        return DatabaseContended(f"the database cannot be used: {cause}")
    if sqlstate == _TOO_SLOW:
        return DatabaseTimeout(f"the database cannot be used: {cause}")
    if sqlstate.startswith(_UNAVAILABLE) or sqlstate in _POOLED or isinstance(cause, _UNUSABLE):
        return _unavailable(cause)
    name = getattr(cause, "constraint_name", None) or ""
    if name in CONSTRAINTS:
        kind, message = CONSTRAINTS[name]
        return kind(message)
    if isinstance(cause, asyncpg.CheckViolationError):
        return InvalidTransition(f"the change violates the rule {name}")
    if isinstance(cause, asyncpg.InsufficientPrivilegeError):
        return DatabaseRefused(f"the role of DATABASE_URL lacks a privilege: {cause}")
    return None


def _cause(error: DBAPIError) -> BaseException | None:
    """Returns the driver's own error."""
    return error.orig.__cause__ if error.orig is not None else None


def _unavailable(cause: BaseException) -> DatabaseUnavailable:
    message = f"the database cannot be used: {str(cause) or type(cause).__name__}"
    sqlstate = getattr(cause, "sqlstate", None) or ""
    pooled = sqlstate in _POOLED or (sqlstate == "08P01" and "startup parameter" in str(cause))
    if not pooled:
        return DatabaseUnavailable(message)
    first_line = message.partition("\n")[0]  # the driver's own hint after it is for developers
    return DatabaseUnavailable(f"{first_line}; {POOLER_HINT}")

"""Port: the unit of work, which is stored as a whole or not at all."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from application.ports.storage.bulk_actions import BulkActions
from application.ports.storage.idempotency_keys import IdempotencyKeys
from application.ports.storage.leases import Leases
from application.ports.storage.operation_repository import OperationRepository
from application.ports.storage.watermarks import Watermarks
from domain.errors import OpledgerError


class DatabaseUnavailable(OpledgerError):
    """The database cannot be reached."""


class DatabaseContended(DatabaseUnavailable):
    """A lock was not available in time. Nothing was stored."""


class DatabaseTimeout(DatabaseUnavailable):
    """A statement took longer than its timeout. Nothing was stored."""


class DatabaseRefused(OpledgerError):
    """The database role lacks a privilege."""


class UnitOfWork(Protocol):
    """One transaction. Leaving it without `commit` rolls it back."""

    @property
    def operations(self) -> OperationRepository: ...

    @property
    def idempotency_keys(self) -> IdempotencyKeys: ...

    @property
    def watermarks(self) -> Watermarks: ...

    @property
    def leases(self) -> Leases: ...

    @property
    def bulk_actions(self) -> BulkActions: ...

    async def commit(self) -> None:
        """Commits the transaction."""


class UnitOfWorkFactory(Protocol):
    """Opens units of work."""

    def __call__(self) -> AbstractAsyncContextManager[UnitOfWork]: ...

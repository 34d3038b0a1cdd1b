"""Port: what is stored together or not at all."""

from contextlib import AbstractAsyncContextManager
from typing import Protocol

from application.ports.idempotency_keys import IdempotencyKeys
from application.ports.operation_repository import OperationRepository
from application.ports.turns import Turns
from application.ports.watermarks import Watermarks
from domain.errors import OpledgerError


class DatabaseUnavailable(OpledgerError):
    """The database cannot be reached."""


class DatabaseContended(DatabaseUnavailable):
    """What others were at was not to be had in time. Nothing was stored."""


class DatabaseRefused(OpledgerError):
    """The database role may not do this."""


class UnitOfWork(Protocol):
    """One transaction. Leaving it without `commit` undoes everything."""

    @property
    def operations(self) -> OperationRepository: ...

    @property
    def idempotency_keys(self) -> IdempotencyKeys: ...

    @property
    def watermarks(self) -> Watermarks: ...

    @property
    def turns(self) -> Turns: ...

    async def commit(self) -> None:
        """Make it durable."""


class UnitOfWorkFactory(Protocol):
    """Opens units of work."""

    def __call__(self) -> AbstractAsyncContextManager[UnitOfWork]: ...

"""The database, in memory."""

from types import TracebackType

from adapters.memory.bulk_actions import MemoryBulkActions
from adapters.memory.change_feed import MemoryChangeFeed
from adapters.memory.convergence.drift_queries import MemoryDriftQueries
from adapters.memory.convergence.leases import MemoryLeases
from adapters.memory.convergence.watermarks import MemoryWatermarks
from adapters.memory.operations.idempotency_keys import MemoryIdempotencyKeys
from adapters.memory.operations.operation_queries import MemoryOperationQueries
from adapters.memory.operations.operation_repository import MemoryOperationRepository
from adapters.memory.storage.locks import RowLocks
from adapters.memory.storage.tables import Draft, Tables
from application.ports.clock import Clock


class MemoryUnitOfWork:
    """One transaction on a `MemoryStore`."""

    def __init__(self, tables: Tables, locks: RowLocks, clock: Clock) -> None:
        self._draft = Draft(tables)
        self._locks = locks.holder()
        self.operations = MemoryOperationRepository(self._draft, self._locks, clock)
        self.idempotency_keys = MemoryIdempotencyKeys(self._draft, self._locks)
        self.watermarks = MemoryWatermarks(self._draft, self._locks, clock)
        self.leases = MemoryLeases(self._draft, self._locks, clock)
        self.bulk_actions = MemoryBulkActions(self._draft, self._locks)

    async def commit(self) -> None:
        self._draft.commit()
        self._locks.release()

    async def __aenter__(self) -> "MemoryUnitOfWork":
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._draft.rollback()
        self._locks.release()


class MemoryStore:
    """The committed rows. Services take `units` and `queries` as factories; `drift` queries all tenants, and `feed` is
    the change feed."""

    def __init__(self, clock: Clock) -> None:
        """`clock` is the database's."""
        self._tables = Tables()
        self._locks = RowLocks()
        self._clock = clock
        self.drift = MemoryDriftQueries(self._tables, self._clock)
        self.feed = MemoryChangeFeed(self._tables)

    def units(self) -> MemoryUnitOfWork:
        """Returns a new unit of work."""
        return MemoryUnitOfWork(self._tables, self._locks, self._clock)

    def queries(self, tenant: str) -> MemoryOperationQueries:
        """Returns the queries of one tenant."""
        return MemoryOperationQueries(self._tables, tenant)

"""Reads operations from PostgreSQL. Never calls Temporal."""

from datetime import datetime
from uuid import UUID

from application.ports.storage.operation_queries import (
    AtLeast,
    Counts,
    OperationFilter,
    OperationQueriesFactory,
    Page,
    PageKey,
    SortTime,
)
from application.ports.storage.operation_view import OperationDetails
from domain.errors import OperationNotFound
from domain.operation.transition import Transition


class ReadOperations:
    """Reads the operations of one tenant."""

    def __init__(self, queries: OperationQueriesFactory) -> None:
        self._queries = queries

    async def get(self, tenant: str, operation_id: UUID) -> OperationDetails:
        """Returns the operation. Raises OperationNotFound, for another tenant's operation too."""
        operation = await self._queries(tenant).get(operation_id)
        if operation is None:
            raise OperationNotFound(f"there is no operation {operation_id}")
        return operation

    async def page(
        self,
        tenant: str,
        criteria: OperationFilter,
        *,
        newest_first: bool,
        after: PageKey | None,
        size: int,
        by: SortTime = SortTime.ACCEPTED,
    ) -> Page:
        """Returns up to `size` operations in the order of that time; fewer if they are large."""
        return await self._queries(tenant).page(criteria, newest_first=newest_first, after=after, limit=size, by=by)

    async def transitions(self, tenant: str, operation_id: UUID) -> list[Transition]:
        """Returns the history, oldest first. Raises OperationNotFound."""
        lines = await self._queries(tenant).transitions(operation_id)
        if not lines:
            raise OperationNotFound(f"there is no operation {operation_id}")
        return lines

    async def counts(self, tenant: str) -> Counts:
        """Returns the number of operations of each type, status and error code."""
        return await self._queries(tenant).counts()

    async def count_attentive(self, tenant: str, type_name: str | None, limit: int) -> AtLeast:
        """Counts operations that need attention, up to `limit`. `type_name`: None: of all types."""
        return await self._queries(tenant).count_attentive(type_name, limit)

    async def waiting_since(self, tenant: str, now: datetime) -> datetime | None:
        """Returns since when the operation that has waited longest for its start has waited; None: none waits."""
        return await self._queries(tenant).waiting_since(now)

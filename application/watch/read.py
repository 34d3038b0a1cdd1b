"""Reads operations from PostgreSQL. Never calls Temporal."""

from collections.abc import Mapping
from uuid import UUID

from application.ports.operation_queries import OperationFilter, OperationQueriesFactory, Page, PageKey
from application.ports.operation_view import OperationView
from domain.errors import OperationNotFound
from domain.operation.status import OperationStatus
from domain.operation.transition import Transition


class ReadOperations:
    """Reads the operations of one tenant."""

    def __init__(self, queries: OperationQueriesFactory) -> None:
        self._queries = queries

    async def get(self, tenant: str, operation_id: UUID) -> OperationView:
        """Returns the operation. Raises OperationNotFound, for another tenant's operation too."""
        operation = await self._queries(tenant).get(operation_id)
        if operation is None:
            raise OperationNotFound(f"there is no operation {operation_id}")
        return operation

    async def page(
        self, tenant: str, criteria: OperationFilter, *, newest_first: bool, after: PageKey | None, size: int
    ) -> Page:
        """Returns up to `size` operations in the order of acceptance; fewer if they are large."""
        return await self._queries(tenant).page(criteria, newest_first=newest_first, after=after, limit=size)

    async def transitions(self, tenant: str, operation_id: UUID) -> list[Transition]:
        """Returns the history, oldest first. Raises OperationNotFound."""
        lines = await self._queries(tenant).transitions(operation_id)
        if not lines:
            raise OperationNotFound(f"there is no operation {operation_id}")
        return lines

    async def counts(self, tenant: str) -> Mapping[tuple[str, OperationStatus], int]:
        """Returns the number of operations of each type and status."""
        return await self._queries(tenant).counts()

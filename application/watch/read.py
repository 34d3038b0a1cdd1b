"""Read operations. Never asks the engine."""

from collections.abc import Mapping
from uuid import UUID

from application.ports.operation_queries import OperationFilter, OperationQueriesFactory, Page, PageKey
from application.ports.operation_view import OperationView
from domain.errors import OperationNotFound
from domain.operation.status import OperationStatus
from domain.operation.transition import Transition


class ReadOperations:
    """What one tenant's operations look like."""

    def __init__(self, queries: OperationQueriesFactory) -> None:
        self._queries = queries

    async def get(self, tenant: str, operation_id: UUID) -> OperationView:
        """The operation. Raises OperationNotFound, for another tenant's too."""
        operation = await self._queries(tenant).get(operation_id)
        if operation is None:
            raise OperationNotFound(f"there is no operation {operation_id}")
        return operation

    async def page(
        self, tenant: str, criteria: OperationFilter, *, newest_first: bool, after: PageKey | None, size: int
    ) -> Page:
        """Up to `size` operations by acceptance, fewer where they are large."""
        return await self._queries(tenant).page(criteria, newest_first=newest_first, after=after, limit=size)

    async def transitions(self, tenant: str, operation_id: UUID) -> list[Transition]:
        """The history, oldest first. Raises OperationNotFound."""
        lines = await self._queries(tenant).transitions(operation_id)
        if not lines:
            raise OperationNotFound(f"there is no operation {operation_id}")
        return lines

    async def counts(self, tenant: str) -> Mapping[tuple[str, OperationStatus], int]:
        """How many operations there are of each type and status."""
        return await self._queries(tenant).counts()

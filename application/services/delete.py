"""Remove an operation that is done."""

from uuid import UUID

from application.ports.operation_repository import StaleOperation
from application.ports.unit_of_work import UnitOfWorkFactory
from application.services.compare_and_set import MAX_TRIES
from domain.deletion import check_done
from domain.errors import OperationNotFound
from domain.expected_version import ExpectedVersion, check_version


class DeleteOperation:
    """History and idempotency key go with it: a later request under that key is a new one. What the engine still says
    of the execution finds no row, and is dropped."""

    def __init__(self, units: UnitOfWorkFactory) -> None:
        self._units = units

    async def delete(self, tenant: str, operation_id: UUID, *, expected: ExpectedVersion = None) -> None:
        """Remove it, durably. Raises OperationNotFound, OperationNotDone, VersionMismatch; StaleOperation where it
        changes under every attempt."""
        for _ in range(MAX_TRIES):
            async with self._units() as unit:
                operation = await unit.operations.get(operation_id)
                if operation is None or operation.tenant != tenant:
                    raise OperationNotFound(f"there is no operation {operation_id}")
                check_done(operation)
                check_version(operation, expected)
                try:
                    await unit.operations.delete(operation)
                except StaleOperation:
                    continue
                await unit.commit()
                return
        raise StaleOperation(f"operation {operation_id} changed under every one of {MAX_TRIES} attempts")

"""Deletes operations that are done."""

from uuid import UUID

from application.batching.optimistic_update import retry_on_conflict
from application.ports.storage.unit_of_work import UnitOfWork, UnitOfWorkFactory
from domain.errors import OperationNotFound
from domain.operation.operation import Operation
from domain.operation.preconditions import ExpectedVersion, check_done, check_version


class DeleteOperation:
    """Deletes the history and the idempotency key too, so that a later request with the key is a new one. What the
    engine still says of the execution finds no row, and is dropped."""

    def __init__(self, units: UnitOfWorkFactory) -> None:
        self._units = units

    async def delete(self, tenant: str, operation_id: UUID, *, expected: ExpectedVersion = None) -> None:
        """Deletes an operation. Raises OperationNotFound, OperationNotDone, VersionMismatch; StaleOperation after
        MAX_TRIES conflicts."""

        async def attempt(unit: UnitOfWork) -> None:
            operation = await unit.operations.get(operation_id)
            if operation is None:
                raise OperationNotFound(f"there is no operation {operation_id}")
            check_deletable(operation, tenant)
            check_version(operation, expected)
            await unit.operations.delete(operation)
            await unit.commit()

        await retry_on_conflict(self._units, f"operation {operation_id}", attempt)


def check_deletable(operation: Operation, tenant: str) -> None:
    """Raises OperationNotFound, OperationNotDone: a client of the tenant may not delete the operation."""
    if operation.tenant != tenant:
        raise OperationNotFound(f"there is no operation {operation.id}")
    check_done(operation)

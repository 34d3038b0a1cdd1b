"""The creation time in an operation's id."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

from adapters.memory.clock import MemoryClock
from adapters.memory.operation_ids import MemoryOperationIds
from adapters.system.operation_ids import RandomOperationIds
from domain.operation.operation_id import made_at


def test_time_of_the_example_in_the_rfc() -> None:
    """RFC 9562, A.6."""
    made = made_at(UUID("017F22E2-79B0-7CC3-98C4-DC0C0C07398F"))
    assert made == datetime(2022, 2, 22, 19, 22, 22, tzinfo=UTC)


def test_generated_ids_contain_the_current_time() -> None:
    """The real generator and the fake."""
    clock = MemoryClock()
    assert made_at(MemoryOperationIds(clock).new()) == clock.now()
    before = datetime.now(UTC)
    made = made_at(RandomOperationIds().new())
    assert made is not None
    assert abs((made - before).total_seconds()) < 60


def test_another_uuid_version_contains_no_time() -> None:
    """The ledger does not create such ids."""
    assert made_at(uuid4()) is None

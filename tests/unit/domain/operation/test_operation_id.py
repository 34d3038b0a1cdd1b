"""The creation time in an operation's id, and the id of an adopted operation."""

from datetime import UTC, datetime
from uuid import UUID, uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.memory.clock import MemoryClock
from adapters.memory.operation_ids import MemoryOperationIds
from adapters.system.operation_ids import RandomOperationIds
from domain.operation.operation_id import adopted_id, made_at


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


@pytest.mark.parametrize(
    ("chain", "operation_id"),
    [
        (("default", "order-7", "0192f3a4-5b6c-7d8e-9f00-112233445566"), "145597e8-cbf6-5ff4-b532-8e90ae6d7b05"),
        (("defäult", 'a"b\n', "1"), "2ad38bcd-47b2-5b59-81b7-fc05e8c1d387"),
    ],
)
def test_the_id_of_an_adopted_operation_follows_from_its_chain(chain: tuple[str, str, str], operation_id: str) -> None:
    """A stored id must not change with the code; the SDK has a test with the same values."""
    assert adopted_id(*chain) == UUID(operation_id)
    assert made_at(adopted_id(*chain)) is None


texts = st.text(st.characters(codec="utf-8"), max_size=8) | st.sampled_from(['"', '","', "a", 'a","', "\\"])
chains = st.tuples(texts, texts, texts)


@given(chains, chains)
def test_different_chains_have_different_ids(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    """Hazard 39. Whatever characters are in the names."""
    assert (adopted_id(*one) == adopted_id(*other)) == (one == other)

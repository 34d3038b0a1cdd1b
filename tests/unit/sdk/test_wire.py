"""Ids of operations that the ledger did not start: every way in must compute the same one."""

import json
from uuid import UUID, uuid5

import pytest

from opledger import adopted_operation_id


@pytest.mark.parametrize(
    ("chain", "operation_id"),
    [
        (("default", "order-7", "0192f3a4-5b6c-7d8e-9f00-112233445566"), "145597e8-cbf6-5ff4-b532-8e90ae6d7b05"),
        (("defäult", 'a"b\n', "1"), "2ad38bcd-47b2-5b59-81b7-fc05e8c1d387"),
    ],
)
def test_id_of_an_adopted_operation(chain: tuple[str, str, str], operation_id: str) -> None:
    """The domain's test has the same values. A change would give every adopted operation a second row."""
    assert adopted_operation_id(*chain) == operation_id
    named = json.dumps(chain, ensure_ascii=False).replace(", ", ",")
    assert operation_id == str(uuid5(UUID("6f9d5c0e-3b0a-5d5e-9a55-0d6a1f0f15ad"), named))


def test_values_that_run_into_each_other_differ() -> None:
    """A plain separator would make these the same."""
    assert adopted_operation_id("a", "b,c", "d") != adopted_operation_id("a,b", "c", "d")

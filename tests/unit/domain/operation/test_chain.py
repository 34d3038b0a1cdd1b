"""Membership of a run in an operation's chain: a table of all cases."""

from uuid import UUID

import pytest

from domain.operation.chain import Chain, Membership, Run, RunOrigin, membership

ID, OTHER = UUID(int=1), UUID(int=2)
NAME = "deploy-m1"
KNOWN, UNKNOWN = Chain(ID, NAME, "first"), Chain(ID, NAME)
OWN, FOREIGN, UNDECIDED = Membership.OWN, Membership.FOREIGN, Membership.UNDECIDED


@pytest.mark.parametrize(
    ("chain", "run_id", "origin", "expected"),
    [
        (KNOWN, "first", None, OWN),
        (KNOWN, "second", None, UNDECIDED),
        (KNOWN, "second", RunOrigin("first"), OWN),
        (KNOWN, "second", RunOrigin("another", ID), FOREIGN),
        (UNKNOWN, "first", None, UNDECIDED),
        (UNKNOWN, "first", RunOrigin("first", ID), OWN),
        (UNKNOWN, "first", RunOrigin("first", OTHER), FOREIGN),
        (UNKNOWN, "first", RunOrigin("first"), FOREIGN),
    ],
)
def test_membership_needs_the_workflow_id_of_the_chain(
    chain: Chain, run_id: str, origin: RunOrigin | None, expected: Membership
) -> None:
    """A run with another workflow id never belongs to the chain."""
    assert membership(chain, Run(NAME, run_id), origin) is expected
    assert membership(chain, Run(str(ID), run_id), origin) is FOREIGN
    assert membership(chain, Run(NAME.upper(), run_id), origin) is FOREIGN

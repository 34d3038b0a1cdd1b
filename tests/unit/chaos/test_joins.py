"""The fault campaign's checker follows starts with a signal or an update to the execution that they have joined."""

import dataclasses
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.chaos.checker.chains import chains
from tests.chaos.checker.check import check
from tests.chaos.checker.facts import Facts, Put, Row, Run
from tests.chaos.checker.identity import Ownership, adopted_id
from tests.chaos.checker.joins import named_by_refusals, puts

NOW = datetime(2026, 1, 1, tzinfo=UTC)
OWN, OTHER = '{"number": 1, "place": 0}', '{"place": 0, "number": 2}'
BASKET = Run("basket", "r1", "r1", NOW, input=OWN, items=("1-0", "2-0"))
ADOPTED = adopted_id("default", "basket", "r1")
ROW = Row(ADOPTED, "RUNNING", 2, NOW, workflow_id="basket", first_run_id="r1", origin="ADOPTED")
REFUSED = Row(
    "refused",
    "FAILED",
    2,
    NOW,
    error_code="START_REJECTED",
    error_details={"operation_id": ADOPTED},
    workflow_id="basket",
    origin="CLIENT",
)
RECORDED = Row("recorded", "RUNNING", 2, NOW, workflow_id="basket", first_run_id="r1", origin="CLIENT")
NEW = Put("basket", "r1", "1-0", OWN, ADOPTED)
JOIN = Put("basket", "r1", "2-0", OTHER, ADOPTED)


def found(*rows: Row, sent: Sequence[Put] = (), runs: Sequence[Run] = (BASKET,)) -> list[str]:
    """What is held against these rows and starts, each by promise and expectation."""
    facts = Facts({row.id: row for row in rows}, {}, runs, (), {}, puts=sent)
    ownership = Ownership(facts.rows, chains(runs))
    violations = [*puts(facts, chains(runs), ownership), *named_by_refusals(facts, ownership)]
    return [f"{one.promise} {one.expected}" for one in violations]


def test_true_starts_have_no_violation() -> None:
    """Started or joined, with the operation of the execution, or with none."""
    assert found(ROW, REFUSED, sent=[NEW, JOIN]) == []
    assert found(sent=[NEW, dataclasses.replace(JOIN, operation_id=None)]) == [], "the ledger was down"
    recorded = [dataclasses.replace(put, operation_id="recorded") for put in (NEW, JOIN)]
    assert found(RECORDED, sent=recorded) == []
    again = dataclasses.replace(BASKET, run_id="r2", items=("3-0",))
    assert found(ROW, sent=[NEW, JOIN], runs=(BASKET, again)) == [], "reset, and joined before"


@pytest.mark.parametrize(
    ("expected", "rows", "sent"),
    [
        ("P7 3-0 in r1", [ROW], dataclasses.replace(JOIN, item="3-0")),
        ("P7 2-0 in r9", [ROW], dataclasses.replace(JOIN, run_id="r9")),
        ("P1 the operation of the execution ('basket', 'r1')", [], JOIN),
        ("P1 the operation of the execution ('basket', 'r1')", [ROW], dataclasses.replace(JOIN, operation_id="x")),
        ("P1 the operation of the execution ('basket', 'r1')", [RECORDED], JOIN),
        ("P1 the operation of the execution ('basket', 'r1')", [], dataclasses.replace(NEW, operation_id="recorded")),
    ],
)
def test_a_lost_item_or_a_wrong_operation_is_seen(expected: str, rows: list[Row], sent: Put) -> None:
    """What arrived nowhere, and an id of nothing or of something else."""
    assert found(*rows, sent=[sent]) == [expected]


@pytest.mark.parametrize(
    "named",
    [
        "refused",
        "nobody",
        pytest.param("elsewhere", id="another workflow id"),
        pytest.param("never", id="one without an execution"),
    ],
)
def test_a_refusal_that_names_another_operation_is_seen(named: str) -> None:
    """Itself, none, or one that the start cannot have joined."""
    rows: dict[str, Any] = {
        "elsewhere": dataclasses.replace(ROW, id="elsewhere", workflow_id="w", first_run_id="w1"),
        "never": dataclasses.replace(ROW, id="never", first_run_id=None, origin="CLIENT"),
    }
    refusal = dataclasses.replace(REFUSED, error_details={"operation_id": named})
    assert len(found(ROW, refusal, *rows.values())) == 1


def test_joins_are_counted_and_checked() -> None:
    """The report shows how many there were."""
    facts = Facts({ROW.id: ROW}, {}, (BASKET,), (), {}, puts=[NEW, JOIN])
    assert check(facts).joins == 1
    lost = [NEW, dataclasses.replace(JOIN, item="lost")]
    expected = {one.expected for one in check(dataclasses.replace(facts, puts=lost)).violations}
    assert expected - {one.expected for one in check(facts).violations} == {"lost in r1"}
    rows = {**facts.rows, "refused": dataclasses.replace(REFUSED, error_details={"operation_id": "nobody"})}
    expected = {one.expected for one in check(dataclasses.replace(facts, rows=rows)).violations}
    assert "another operation with the workflow id basket" in expected

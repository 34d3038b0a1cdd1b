"""The fault campaign's checker keeps tenants apart, and sees what crosses the boundary."""

import dataclasses
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest

from tests.chaos.checker.chains import chains
from tests.chaos.checker.check import check
from tests.chaos.checker.facts import (
    BulkOrder,
    Declared,
    Facts,
    Line,
    Order,
    ReceivedId,
    Row,
    Run,
    Submission,
    Target,
    Trespass,
)
from tests.chaos.checker.tenants import boundaries, of_one_tenant, tenant_of
from tests.chaos.plan.plan import make_plan
from tests.chaos.plan.tenants import OTHER, OWN, client_of, named_key

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ROW = Row("a", "RUNNING", 2, NOW, tenant="acme", workflow_id="a", first_run_id="r1", input='{"number": 1}')
LINE = Line(1, None, "ACCEPTED", "CLIENT", "accepted", NOW, "client-of-acme")
RUN = Run("a", "r1", "r1", NOW, operation_id="a", workflow_type="Chosen", input='{"number": 1}')
ORDER = Order("quick", "LEFT_ALONE", {"number": 1}, tenant="acme")
ACTION = dataclasses.replace(ROW, id="bulk", type="opledger.cancel")
TRUE = Facts(
    rows={"a": ROW, "bulk": ACTION, "other": dataclasses.replace(ROW, id="other", tenant="default")},
    lines={"a": [LINE, dataclasses.replace(LINE, actor=None), dataclasses.replace(LINE, actor="operator@chaos")]},
    runs=(RUN,),
    stored_keys=[("acme/k", "a"), ("k", "other")],
    answers={"acme/k": frozenset({"a"}), "k": frozenset({"other"})},
    received_ids=[ReceivedId("a", "a", tenant="acme")],
    bulk={"bulk": BulkOrder("cancel", 1, frozenset({"a"}), "bulk 1", "acme")},
    targets={"bulk": [Target("a", "DONE")]},
    trespasses=[Trespass("default", "a", "GET", "404"), Trespass("default", "a", "GET list", "nothing")],
    orders={1: ORDER},
)


def of_row(row: Row = ROW, **others: Any) -> list[str]:
    """What is held against the row."""
    facts = dataclasses.replace(TRUE, **others)
    violations = of_one_tenant(facts, row, facts.lines["a"], chains(facts.runs))
    return [f"{one.promise} {one.expected}" for one in violations]


def test_tenants_that_keep_to_themselves_have_no_violation() -> None:
    """The same key of two tenants is two operations."""
    assert list(boundaries(TRUE)) == []
    assert of_row() == []
    assert of_row(dataclasses.replace(ROW, retry_of="bulk", parent_id="gone")) == []


def test_an_operation_may_use_the_execution_of_another_tenants_client() -> None:
    """It was no operation. The work of the row is that of its own input."""
    used = dataclasses.replace(RUN, operation_id=None, input='{"number": 2}')
    theirs = dataclasses.replace(ORDER, tenant="default")
    assert of_row(runs=(used,), orders={1: ORDER, 2: theirs}) == []


CROSSINGS: Mapping[str, dict[str, Any]] = {
    "P8 an operation of default for key k": {"answers": {"k": frozenset({"a"})}},
    "P8 an operation of default for stored key k": {"stored_keys": [("k", "a")]},
    "P8 an operation of default for adoption a": {"received_ids": [ReceivedId("a", "a")]},
    "P8 an operation of default for submission k": {"submissions": [Submission("k", 1, "one", NOW, NOW, "a", True)]},
    "P8 an operation of default for bulk cancel": {"bulk": {"bulk": BulkOrder("cancel", 1, frozenset(), "bulk 1")}},
    "P8 an operation of acme for target of bulk": {"targets": {"bulk": [Target("a"), Target("other")]}},
    "P8 404 or nothing for GET by default": {"trespasses": [Trespass("default", "a", "GET", "200")]},
}


@pytest.mark.parametrize(("expected", "changes"), CROSSINGS.items(), ids=CROSSINGS)
def test_an_answer_about_another_tenant_is_seen(expected: str, changes: dict[str, Any]) -> None:
    """Whatever brought it."""
    facts = dataclasses.replace(TRUE, **changes)
    assert [f"{one.promise} {one.expected}" for one in boundaries(facts)] == [expected]
    assert expected in {f"{one.promise} {one.expected}" for one in check(facts).violations}


@pytest.mark.parametrize(
    ("expected", "changes"),
    [
        ("P8 parent of acme", {"parent_id": "other"}),
        ("P8 successor of acme", {"superseded_by": "other"}),
        ("P8 retried operation of acme", {"retry_of": "other"}),
        ("P8 operation_id in the error of acme", {"error_details": {"operation_id": "other"}}),
        ("P8 superseded_by in the error of acme", {"error_details": {"superseded_by": "other"}}),
    ],
)
def test_a_reference_to_another_tenant_is_seen(expected: str, changes: dict[str, Any]) -> None:
    """In each column that has one."""
    assert of_row(dataclasses.replace(ROW, **changes)) == [expected]


def test_a_row_of_the_wrong_tenant_is_seen() -> None:
    """By the order, and by the rule that has adopted it."""
    own = dataclasses.replace(ORDER, tenant="default")
    assert of_row(orders={1: own}) == ["P8 an operation of default"]
    adopted = dataclasses.replace(ROW, origin="ADOPTED")
    watched = Declared({"Chosen": {"a": "default", "acme-": "acme"}})
    assert of_row(adopted, declared=watched) == ["P8 an operation of default"]
    assert of_row(adopted, declared=dataclasses.replace(watched, asked=frozenset({"a"}))) == []
    crossed = check(dataclasses.replace(TRUE, orders={1: own})).violations
    assert "an operation of default" in {one.expected for one in crossed}


def test_a_change_by_another_tenant_is_seen() -> None:
    """In the history."""
    lines = {"a": [LINE, dataclasses.replace(LINE, actor="client-of-default")]}
    assert of_row(lines=lines) == ["P8 no change by another tenant than acme"]


def test_plan_and_checker_name_tenants_alike() -> None:
    """The checker knows nothing of the plan."""
    assert [tenant_of(named_key(tenant, "k")) for tenant in (OWN, OTHER)] == [OWN, OTHER]
    assert client_of(OTHER) == LINE.actor


def test_the_other_tenant_has_a_part_of_every_campaign() -> None:
    """Operations with and without a key of the first tenant, their children, and a group for bulk actions."""
    plan = make_plan(1, 2000, 10, callbacks=True)
    others = [work for work in plan.work if work.tenant == OTHER]
    keys = {work.key: work for work in plan.work}
    assert len(keys) == len(plan.work)
    assert all(tenant_of(key) == work.tenant for key, work in keys.items())
    assert len(others) > 150
    assert {work.sent_key in keys for work in others} == {True, False}
    assert all(keys[work.parent].tenant == work.tenant for work in plan.work if work.parent)
    assert any(work.parent for work in others)
    assert [crowd.tenant for crowd in plan.crowds] == [OWN, OTHER] * 10
    numbers = [work.number for crowd in plan.crowds for work in crowd.all]
    assert len(numbers) == len(set(numbers))

"""The fault campaign's checker follows bulk acknowledgements through histories, rows and bulk actions."""

import dataclasses
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.chaos.checker.acknowledging import acknowledgements
from tests.chaos.checker.check import check
from tests.chaos.checker.facts import BulkOrder, End, Facts, Line, Row, Run, Target
from tests.chaos.plan.acknowledgement import KINDS
from tests.chaos.plan.plan import make_plan
from tests.chaos.plan.tenants import OTHER, OWN

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
RUNS_AGAIN = "the operation is FAILED with TERMINATED, but its execution is running again"
COMPLETED = "the operation is FAILED with TERMINATED, but its execution closed as COMPLETED"
ACKNOWLEDGED = "acknowledged DIVERGED: bulk 1"


def at(seconds: float) -> datetime:
    """A time of the story."""
    return BEGAN + timedelta(seconds=seconds)


def history(*reasons: tuple[str, float]) -> list[Line]:
    """Accepted, running, failed at 3, then these."""
    moves = [(None, "ACCEPTED"), ("ACCEPTED", "RUNNING"), ("RUNNING", "FAILED")]
    lines = [Line(n + 1, before, after, "CONFIRMATION", "so", at(n + 1)) for n, (before, after) in enumerate(moves)]
    for number, (reason, second) in enumerate(reasons, start=len(lines) + 1):
        lines.append(Line(number, "FAILED", "FAILED", "CONFIRMATION", reason, at(second)))
    return lines


def known(message: str = COMPLETED, kind: str = "DIVERGED") -> Mapping[str, str]:
    """The acknowledged problem of a row."""
    return {"kind": kind, "since": at(5).isoformat(), "message": message}


ORDER = BulkOrder("acknowledge", 1, None, "bulk 1", counted=at(7))
"""Counted at 7."""
LINES = history((RUNS_AGAIN, 5), (COMPLETED, 6), (ACKNOWLEDGED, 8))
ROW = Row(
    *("a", "FAILED", 6, at(1), at(2), at(3), None, "TERMINATED", "by hand", {"reason": "by hand", "actor": "me"}),
    workflow_id="a",
    first_run_id="r1",
    acknowledged=known(),
)


def found(lines: Sequence[Line] = LINES, outcome: str = "DONE", row: Row | None = ROW, **others: Any) -> list[str]:
    """What is held against a bulk action with one target."""
    facts = Facts(
        rows={} if row is None else {"a": row},
        lines={"a": lines},
        runs=(),
        stored_keys=(),
        answers={},
        bulk={"bulk": ORDER},
        targets={"bulk": [Target("a", outcome)]},
    )
    violations = acknowledgements(dataclasses.replace(facts, **others))
    return [f"{one.promise} {one.expected}" for one in violations]


def test_what_the_dry_run_counted_may_be_taken_away() -> None:
    """Of each kind; the next problem is another one, and a skipped target keeps its own."""
    assert found() == []
    unknown = dataclasses.replace(ROW, acknowledged=None)
    assert found(history((RUNS_AGAIN, 5), (ACKNOWLEDGED, 8), (COMPLETED, 9)), row=unknown) == []
    assert found(history((RUNS_AGAIN, 5), (COMPLETED, 9)), outcome="SKIPPED", row=unknown) == []
    assert found([], row=None) == [], "deleted since"
    for kind, words in (
        ("STALLED", "stalled: x"),
        ("NO_WORKER", "no worker: x"),
        ("ACTIVITY_RETRYING", "activity retrying: x"),
    ):
        lines = history((words, 5), (f"acknowledged {kind}: bulk 1", 8))
        assert found(lines, row=dataclasses.replace(ROW, acknowledged=known("x", kind))) == []


SECOND = {"bulk": {"bulk": ORDER, "second": dataclasses.replace(ORDER, reason="bulk 2")}}
UNTRUE: Mapping[str, tuple[str, dict[str, Any]]] = {
    "newer than the dry run": (
        "P10 no acknowledgement of what is newer than 2026-01-01 00:00:07+00:00",
        {"lines": history((RUNS_AGAIN, 5), (COMPLETED, 7.5), (ACKNOWLEDGED, 8))},
    ),
    "no problem": ("P10 a problem DIVERGED before its acknowledgement", {"lines": history((ACKNOWLEDGED, 8))}),
    "another kind": (
        "P10 a problem DIVERGED before its acknowledgement",
        {"lines": history(("stalled: x", 5), (ACKNOWLEDGED, 8))},
    ),
    "acknowledged before": (
        "P10 a problem DIVERGED before its acknowledgement",
        {
            "lines": history((COMPLETED, 5), ("acknowledged DIVERGED: bulk 2", 6), (ACKNOWLEDGED, 8)),
            "targets": {"bulk": [Target("a", "DONE")], "second": [Target("a", "DONE")]},
            **SECOND,
        },
    ),
    "not confirmed": (
        "P10 no acknowledgement that nobody confirmed",
        {"lines": history((COMPLETED, 5), ("acknowledged DIVERGED: a trespasser", 8)), "outcome": "SKIPPED"},
    ),
    "of a skipped target": ("P10 0 acknowledgements by bulk", {"outcome": "SKIPPED"}),
    "of no target": ("P10 0 acknowledgements by bulk", {"targets": {"bulk": [Target("b", "DONE")]}}),
    "lost": (
        "P10 1 acknowledgements by bulk",
        {"lines": history((COMPLETED, 5)), "row": dataclasses.replace(ROW, acknowledged=None)},
    ),
    "both on the row": (
        "P9 an attention or an acknowledged problem",
        {"row": dataclasses.replace(ROW, attention_kind="DIVERGED")},
    ),
    "of another kind on the row": (
        "P10 an acknowledgement of STALLED, and no later problem",
        {"row": dataclasses.replace(ROW, acknowledged=known("x", "STALLED"))},
    ),
    "a later problem": (
        "P10 an acknowledgement of DIVERGED, and no later problem",
        {"lines": history((RUNS_AGAIN, 5), (ACKNOWLEDGED, 8), (COMPLETED, 9))},
    ),
}


@pytest.mark.parametrize(("expected", "changes"), UNTRUE.values(), ids=UNTRUE)
def test_an_untrue_acknowledgement_is_seen(expected: str, changes: dict[str, Any]) -> None:
    """Of what was not counted, not confirmed, done twice or not at all."""
    assert found(**changes) == [expected]


def judged(lines: Sequence[Line], closed: float, **changes: Any) -> set[str]:
    """What the whole checker says of an operation whose chain was terminated at 3 and closed again as completed."""
    first = Run("a", "r1", "r1", at(1), end=End("TERMINATED", at(3), reason="by hand", actor="me"), operation_id="a")
    again = Run("a", "r2", "r1", at(4), end=End("COMPLETED", at(closed)), operation_id="a")
    row = dataclasses.replace(ROW, history_length=len(lines), **changes)
    facts = Facts(
        rows={"a": row},
        lines={"a": lines},
        runs=(first, again),
        stored_keys=[("k", "a")],
        answers={"k": frozenset({"a"})},
        bulk={},
    )
    return {one.expected for one in check(facts).violations if one.promise == "P4"}


def test_acknowledged_divergence_needs_no_attention_until_the_next_close() -> None:
    """P9: what was acknowledged is not the end that came later."""
    assert judged(LINES, 6) == set()
    early = history((RUNS_AGAIN, 5), (ACKNOWLEDGED, 6))
    [missing] = judged(early, 8, acknowledged=known(RUNS_AGAIN))
    assert missing.startswith("attention DIVERGED")
    told = [*early, Line(6, "FAILED", "FAILED", "CONFIRMATION", COMPLETED, at(9))]
    assert judged(told, 8, acknowledged=None, attention_kind="DIVERGED") == set()
    [forgotten] = judged(told, 8, acknowledged=None)
    assert forgotten.startswith("attention DIVERGED")


def test_untrue_acknowledgements_fail_a_campaign() -> None:
    """The rule is one of all."""
    facts = Facts({}, {"a": history((ACKNOWLEDGED, 8))}, (), (), {})
    assert [one.expected for one in check(facts).violations] == ["no acknowledgement that nobody confirmed"]


def test_each_campaign_acknowledges() -> None:
    """Several times a minute, for both tenants, by each filter; and each tenant once at the end."""
    plan = make_plan(1, 2000, 10, callbacks=True)
    assert len(plan.acknowledgements) == 42
    assert [one.tenant for one in plan.acknowledgements if one.at is None] == [OWN, OTHER]
    assert {one.tenant for one in plan.acknowledgements} == {OWN, OTHER}
    assert {one.kinds for one in plan.acknowledgements} == set(KINDS)
    assert plan.acknowledgements == make_plan(1, 2000, 10, callbacks=True).acknowledgements
    assert make_plan(1, 200, 1, callbacks=True, types=["quick"]).acknowledgements == ()

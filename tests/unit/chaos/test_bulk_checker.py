"""The fault campaign's checker of bulk actions and delayed starts sees each kind of untruth."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.chaos.checker.acceptance import answered_once
from tests.chaos.checker.bulk import bulk_actions, in_time
from tests.chaos.checker.chains import chains
from tests.chaos.checker.facts import BulkOrder, Facts, Line, Row, Run, Target

NOW = datetime(2026, 1, 1, tzinfo=UTC)
REASON = "bulk 1"
LINE = Line(2, "RUNNING", "RUNNING", "CLIENT", f"cancellation requested: {REASON}", NOW)
OTHER = replace(LINE, reason="cancellation requested: by hand")
OPERATIONS = {name: Row(name, "FAILED", 2, NOW) for name in ("a", "b", "c")}
RETRY = Row("new", "COMPLETED", 2, NOW, retry_of="a")
ABC = frozenset("abc")


def action(verb: str, *, done: int, skipped: int, status: str = "COMPLETED") -> Row:
    """The row of a bulk action."""
    result = f'{{"failed": 0, "matching": {done + skipped}, "skipped": {skipped}, "done": {done}}}'
    return Row("bulk", status, 3, NOW, type=f"opledger.{verb}", result=result)


def story(verb: str, *, done: int, skipped: int, targets: list[Target], **others: Any) -> Facts:
    """A ledger with one bulk action."""
    facts = Facts(
        rows={**OPERATIONS, "bulk": action(verb, done=done, skipped=skipped)},
        lines={},
        runs=(),
        stored_keys=(),
        answers={},
        bulk={"bulk": BulkOrder(verb, done + skipped, ABC, REASON)},
        targets={"bulk": targets},
    )
    return replace(facts, **others)


CANCEL = story(
    "cancel",
    done=1,
    skipped=1,
    targets=[Target("a", "DONE"), Target("b", "SKIPPED")],
    lines={"a": [LINE], "b": [OTHER], "c": [OTHER]},
)
RETRIED = story("retry", done=1, skipped=1, targets=[Target("a", "DONE", "new"), Target("b", "SKIPPED")])
RETRIED = replace(RETRIED, rows={**RETRIED.rows, "new": RETRY})
DELETED = story("delete", done=1, skipped=1, targets=[Target("a", "DONE"), Target("b", "SKIPPED")])
DELETED = replace(DELETED, rows={name: row for name, row in DELETED.rows.items() if name != "a"})


def without(facts: Facts, name: str) -> dict[str, Row]:
    """The rows without one."""
    return {key: row for key, row in facts.rows.items() if key != name}


@pytest.mark.parametrize("facts", [CANCEL, RETRIED, DELETED], ids=["cancel", "retry", "delete"])
def test_a_true_bulk_action_has_no_violation(facts: Facts) -> None:
    """Each target is done or skipped."""
    assert list(bulk_actions(facts)) == []


def test_a_target_that_was_deleted_by_another_bulk_action_has_no_row() -> None:
    """Its history is gone with it."""
    orders = {**CANCEL.bulk, "second": BulkOrder("delete", 1, ABC, "")}
    second = replace(action("delete", done=1, skipped=0), id="second")
    facts = replace(
        CANCEL,
        rows={**without(CANCEL, "a"), "second": second},
        lines={},
        bulk=orders,
        targets={**CANCEL.targets, "second": [Target("a", "DONE")]},
    )
    assert list(bulk_actions(facts)) == []


UNTRUE: dict[str, tuple[Facts, Callable[[Facts], dict[str, Any]]]] = {
    "lost": (CANCEL, lambda facts: {"rows": without(facts, "bulk")}),
    "running": (CANCEL, lambda facts: {"rows": {**facts.rows, "bulk": replace(facts.rows["bulk"], status="RUNNING")}}),
    "failed": (CANCEL, lambda facts: {"rows": {**facts.rows, "bulk": replace(facts.rows["bulk"], status="FAILED")}}),
    "not confirmed": (CANCEL, lambda facts: {"bulk": {}}),
    "no targets": (CANCEL, lambda facts: {"targets": {}}),
    "fewer targets": (CANCEL, lambda facts: {"targets": {"bulk": facts.targets["bulk"][:1]}}),
    "a target twice": (CANCEL, lambda facts: {"targets": {"bulk": [*facts.targets["bulk"], Target("a", "DONE")]}}),
    "another target": (
        CANCEL,
        lambda facts: {"targets": {"bulk": [facts.targets["bulk"][0], Target("late", "SKIPPED")]}},
    ),
    "not handled": (CANCEL, lambda facts: {"targets": {"bulk": [Target("a", "DONE"), Target("b")]}}),
    "refused": (CANCEL, lambda facts: {"targets": {"bulk": [Target("a", "DONE"), Target("b", "FAILED")]}}),
    "other numbers": (
        CANCEL,
        lambda facts: {"rows": {**facts.rows, "bulk": action("cancel", done=2, skipped=0)}},
    ),
    "without a request": (CANCEL, lambda facts: {"lines": {}}),
    "two requests": (CANCEL, lambda facts: {"lines": {"a": [LINE, LINE]}}),
    "a request of a skipped one": (CANCEL, lambda facts: {"lines": {"a": [LINE], "b": [LINE]}}),
    "a request of no target": (CANCEL, lambda facts: {"lines": {"a": [LINE], "c": [LINE]}}),
    "a target that is gone": (CANCEL, lambda facts: {"rows": without(facts, "b")}),
    "without a retry": (RETRIED, lambda facts: {"rows": without(facts, "new")}),
    "two retries": (RETRIED, lambda facts: {"rows": {**facts.rows, "other": replace(RETRY, id="other")}}),
    "a retry of a skipped one": (
        RETRIED,
        lambda facts: {"rows": {**facts.rows, "other": replace(RETRY, id="other", retry_of="b")}},
    ),
    "the retry of another": (
        RETRIED,
        lambda facts: {"rows": {**facts.rows, "new": replace(RETRY, retry_of="c")}},
    ),
    "not deleted": (DELETED, lambda facts: {"rows": {**facts.rows, "a": OPERATIONS["a"]}}),
}


@pytest.mark.parametrize(("facts", "untrue"), UNTRUE.values(), ids=UNTRUE)
def test_an_untrue_bulk_action_is_seen(facts: Facts, untrue: Callable[[Facts], dict[str, Any]]) -> None:
    """Lost, unconfirmed, with other targets, not handled, handled twice or not at all."""
    assert [violation.promise for violation in bulk_actions(replace(facts, **untrue(facts)))] == ["P10"]


def test_what_a_bulk_action_deletes_or_makes_has_no_key() -> None:
    """Any other operation that is gone, or has none, is seen."""
    answers = {"key": frozenset({"a"})}
    rows = {name: DELETED.rows[name] for name in ("bulk",)}
    assert list(answered_once(replace(DELETED, rows=rows, answers=answers))) == []
    assert len(list(answered_once(replace(DELETED, rows=rows, answers=answers, bulk={})))) == 1
    rows = {name: RETRIED.rows[name] for name in ("bulk", "new")}
    assert list(answered_once(replace(RETRIED, rows=rows))) == []
    assert len(list(answered_once(replace(RETRIED, rows=rows, targets={})))) == 1


@pytest.mark.parametrize(("seconds", "violations"), [(-1, 1), (0, 0), (1, 0)])
def test_an_early_start_is_seen(seconds: float, violations: int) -> None:
    """By Temporal's time of the first run."""
    run = Run("op", "r1", "r1", NOW + timedelta(seconds=seconds))
    row = Row("op", "RUNNING", 2, NOW, start_at=NOW)
    assert len(list(in_time(row, chains([run])))) == violations

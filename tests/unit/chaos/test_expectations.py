"""What the fault campaign expects each kind of work to come to: nothing else passes, whatever the ledger says."""

import dataclasses
import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from domain.access.callback_token import CallbackKeys
from tests.chaos.checker.chains import Chain
from tests.chaos.checker.expectations import BASKETS, ENDED_BY_OTHERS, ITEMS, LEFT_ALONE, REFUSED, SIGNALS, as_expected
from tests.chaos.checker.facts import End, Order, Row, Run
from tests.chaos.plan.kinds import Fate
from tests.chaos.plan.workload import SORTS
from tests.chaos.system.tokens import token
from tests.chaos.team.stumbling import TIMES, stumbles

NOW = datetime(2026, 1, 1, tzinfo=UTC)
ROW = Row("op", "COMPLETED", 3, NOW, NOW, NOW)
INPUT = {"number": 7, "seconds": 2.5, "value": 0, "machine": "m1", "outcome": "success", SIGNALS: 0, ITEMS: []}
ASKED: dict[str, Any] = {"cancel_requested": True, "interrupted": True}
STUMBLED: dict[str, Any] = {"task_failures": 2}


def end(kind: str, content: Any = None) -> End:
    """An end with this result or message."""
    if kind == "COMPLETED":
        return End(kind, NOW, result=json.dumps(content))
    return End(kind, NOW, message=content or "")


def complaints(kind: str, fate: str, ended: End | None, row: Row = ROW, **run: Any) -> list[str]:
    """What is held against an operation of that kind and fate with one run that ended so, or with none."""
    chains = [Chain("op", "r1", (Run("op", "r1", "r1", NOW, end=ended, **run),))] if ended else []
    found = list(as_expected(row, Order(kind, fate, INPUT), chains))
    assert {violation.promise for violation in found} <= {"P7"}
    return [violation.expected for violation in found]


def failed(code: str) -> Row:
    return dataclasses.replace(ROW, status="FAILED", error_code=code, started_at=None)


def test_every_kind_of_work_has_an_expectation() -> None:
    """And every fate is one that the rules know by its name."""
    assert {sort.type for sort in SORTS} == LEFT_ALONE.keys() | {REFUSED}
    assert {fate.name for fate in Fate} > {"CANCELED", "API_CANCEL", "API_CANCEL_AT_ONCE", "TERMINATED", "DELETED"}


@pytest.mark.parametrize("kind", LEFT_ALONE)
def test_left_alone_it_comes_to_one_thing(kind: str) -> None:
    """With its own result or message, and to nothing else."""
    run: Mapping[str, Any] = STUMBLED if kind == "stumble" else {}
    kind_of_end, content = LEFT_ALONE[kind](INPUT)
    right = end(kind_of_end, content if isinstance(content, (str, int, list, dict)) else None)
    assert complaints(kind, "LEFT_ALONE", right, **run) == []
    for wrong in ("COMPLETED", "WORKFLOW_FAILED", "CANCELED", "TERMINATED", "TIMED_OUT"):
        if wrong != kind_of_end and not (wrong == "TERMINATED" and kind in ENDED_BY_OTHERS):
            assert complaints(kind, "LEFT_ALONE", end(wrong, content if wrong == "COMPLETED" else None), **run)
    if kind_of_end == "WORKFLOW_FAILED":
        assert complaints(kind, "LEFT_ALONE", end(kind_of_end, "Activity task failed"))
    if kind_of_end == "COMPLETED":
        assert complaints(kind, "LEFT_ALONE", end(kind_of_end, {"another": "result"}), **run)


@pytest.mark.parametrize(("kind", "name"), [("sleep", "nudges"), ("delayed", "signals")])
def test_every_accepted_signal_is_in_the_result(kind: str, name: str) -> None:
    """One that the server took and the body did not see is lost."""
    _, content = LEFT_ALONE[kind](INPUT)
    assert complaints(kind, "SIGNALLED_AT_CLOSE", end("COMPLETED", {**content, name: 3}), signals=3) == []
    assert complaints(kind, "SIGNALLED_AT_CLOSE", end("COMPLETED", {**content, name: 2}), signals=3)


@pytest.mark.parametrize("kind", BASKETS)
def test_every_accepted_item_is_in_the_result(kind: str) -> None:
    """Each as often as the server took it."""
    items = ("1-0", "1-0", "2-0")
    assert complaints(kind, "LEFT_ALONE", end("COMPLETED", {"items": [*items]}), items=items) == []
    assert complaints(kind, "LEFT_ALONE", end("COMPLETED", {"items": ["1-0", "2-0"]}), items=items)


def test_false_is_not_zero() -> None:
    """Nor is a result that was dropped a falsy one."""
    assert complaints("echo", "LEFT_ALONE", end("COMPLETED", 0)) == []
    assert complaints("echo", "LEFT_ALONE", end("COMPLETED", False)) == ["echo, LEFT_ALONE: the result 0"]
    assert complaints("echo", "LEFT_ALONE", end("COMPLETED", None))


@pytest.mark.parametrize("kind", ["give-way", "linger", "sleep"])
@pytest.mark.parametrize("fate", ["CANCELED", "API_CANCEL", "API_CANCEL_AT_ONCE"])
def test_what_was_asked_to_end_while_it_waited_gives_way(kind: str, fate: str) -> None:
    """It neither completes nor fails. Asked too late it may do either of two things, and unasked only one."""
    natural = end(*LEFT_ALONE[kind](INPUT))
    assert complaints(kind, fate, end("CANCELED"), **ASKED) == []
    for wrong in (natural, end("COMPLETED", None), end("WORKFLOW_FAILED", "Workflow cancelled")):
        assert complaints(kind, fate, wrong, **ASKED)
    assert complaints(kind, fate, end("CANCELED"), cancel_requested=True) == []
    assert complaints(kind, fate, natural, cancel_requested=True) == []
    assert complaints(kind, fate, natural) == []
    assert complaints(kind, fate, end("CANCELED"))
    assert complaints(kind, fate, end("TERMINATED"), **ASKED)


def test_what_never_waits_cannot_be_cancelled() -> None:
    """Its outcome stands."""
    assert complaints("quick", "API_CANCEL_AT_ONCE", end("COMPLETED", {"done": 7}), **ASKED) == []
    assert complaints("quick", "API_CANCEL_AT_ONCE", end("CANCELED"), **ASKED)


@pytest.mark.parametrize("fate", ["TERMINATED", "TERMINATED_AND_RESET", "DELETED", "API_FORCE"])
def test_an_end_from_outside_is_the_end_where_a_client_makes_one(fate: str) -> None:
    """Or its own, where that came first."""
    assert complaints("linger", fate, end("TERMINATED")) == []
    assert complaints("linger", fate, end("COMPLETED", "nobody disturbed me")) == []
    assert complaints("linger", "RESET", end("TERMINATED"))


def test_a_mistake_in_a_workflow_task_is_no_failure_of_the_workflow() -> None:
    """It has to happen, so that something is tested; and to no other."""
    right = end("COMPLETED", {"went on": 7})
    assert complaints("stumble", "LEFT_ALONE", right, **STUMBLED) == []
    assert complaints("stumble", "LEFT_ALONE", right)
    assert complaints("stumble", "LEFT_ALONE", end("WORKFLOW_FAILED", "a mistake in step 0"))
    assert complaints("quick", "LEFT_ALONE", end("COMPLETED", {"done": 7}), task_failures=1)


def test_only_what_temporal_cannot_take_is_refused() -> None:
    """And only what a client of the ledger cancelled never runs."""
    assert complaints(REFUSED, "LEFT_ALONE", None, failed("START_REJECTED")) == []
    assert complaints(REFUSED, "LEFT_ALONE", None, failed("CANCELED"))
    assert complaints(REFUSED, "LEFT_ALONE", end("COMPLETED"))
    assert complaints("quick", "LEFT_ALONE", None, failed("START_REJECTED"))
    assert complaints("quick", "API_CANCEL_AT_ONCE", None, failed("CANCELED")) == []
    assert complaints("quick", "CANCELED", None, failed("CANCELED"))


def test_a_step_stumbles_a_few_times_and_never_again() -> None:
    """Each step of each workflow by itself."""
    made = [stumbles("one", step) for step in (0, 0, 0, 0, 1)]
    assert made == [True] * TIMES + [False] * (4 - TIMES) + [True]


def test_the_harness_makes_the_tokens_that_the_service_takes() -> None:
    """By the same words, not by the same code."""
    operation_id = UUID(int=7)
    keys = CallbackKeys.parse(f"chaos:{'s' * 48}")
    assert keys.verify(operation_id, token("chaos", "s" * 48, operation_id, "default")) == "default"

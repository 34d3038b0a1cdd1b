"""The fault campaign's checker: it is content with a true ledger, and sees each kind of untruth."""

import ast
import dataclasses
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tests.chaos.checker.check import Findings, check
from tests.chaos.checker.facts import Declared, End, Facts, Line, Order, Row, Run
from tests.chaos.checker.identity import STRAY_QUEUE, adopted_id
from tests.chaos.verdict import Verdict, verdict

CHECKER = Path(__file__).parents[2] / "chaos" / "checker"
BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
ONE = "op-1"


def at(seconds: float) -> datetime:
    """A time of the story."""
    return BEGAN + timedelta(seconds=seconds)


def history(*moves: tuple[str, float]) -> list[Line]:
    """Lines from status to status, each at its second."""
    befores = [None, *(status for status, _ in moves)]
    return [
        Line(number, before, status, "CONFIRMATION", "as it happened", at(second))
        for number, (before, (status, second)) in enumerate(zip(befores, moves, strict=False), start=1)
    ]


DONE_LINES = history(("ACCEPTED", 0), ("RUNNING", 1), ("COMPLETED", 5))
FAILED_LINES = history(("ACCEPTED", 0), ("RUNNING", 1), ("FAILED", 5))
REFERRING: dict[str, Any] = {"workflow_id": ONE, "first_run_id": "r1", "input": '{"number": 7}'}
COMPLETED = Row(ONE, "COMPLETED", 3, at(0), at(1), at(4), result='{"a": 1}', **REFERRING)
TERMINATED = Row(
    *(ONE, "FAILED", 3, at(0), at(1), at(4), None, "TERMINATED", "by hand", {"reason": "by hand", "actor": "me"}),
    **REFERRING,
)
REFUSED = Row(ONE, "FAILED", 2, at(0), None, at(1), None, "START_REJECTED", "no such queue", workflow_id=ONE)
END = End("COMPLETED", at(4), result='{"a":1}')
TERMINATION = End("TERMINATED", at(4), reason="by hand", actor="me")
RUN = Run(ONE, "r1", "r1", at(1), end=END, operation_id=ONE, input='{"number": 7}')
AGAIN = dataclasses.replace(RUN, run_id="r2", started_at=at(6), end=dataclasses.replace(END, closed_at=at(8)))
"""A reset after the close at 4."""


def story(
    row: Row | None = COMPLETED,
    lines: Sequence[Line] | Mapping[str, Sequence[Line]] = DONE_LINES,
    runs: Sequence[Run] = (RUN,),
    **others: Any,
) -> Findings:
    """What the checker says of a ledger with one operation."""
    rows = {} if row is None else {ONE: row}
    facts = Facts(
        rows=rows,
        lines=lines if isinstance(lines, Mapping) else {ONE: lines},
        runs=(),
        stored_keys=[("k", ONE)] if rows else [],
        answers={"k": frozenset({ONE})} if rows else {},
    )
    return check(dataclasses.replace(facts, **{"runs": runs, **others}))


def promises(findings: Findings) -> list[str]:
    """Which promises were broken."""
    return sorted({violation.promise for violation in findings.violations})


def failed(code: str, message: str, **details: str | None) -> Row:
    """The row as FAILED."""
    return dataclasses.replace(TERMINATED, error_code=code, error_message=message, error_details=details)


def ended(end: End, **changes: Any) -> Run:
    """The run with this end."""
    return dataclasses.replace(RUN, end=end, **changes)


def test_a_true_ledger_has_no_violation_and_a_lag() -> None:
    """Row, lines and chain agree; the ledger was a second behind."""
    findings = story()
    assert (list(findings.violations), list(findings.lags)) == ([], [1.0])
    assert list(findings.lateness) == []


def test_a_later_start_has_a_lateness() -> None:
    """From the requested time to Temporal's time of the first run."""
    findings = story(dataclasses.replace(COMPLETED, start_at=at(0.25)))
    assert (list(findings.violations), list(findings.lateness)) == ([], [0.75])


CHAIN = (
    dataclasses.replace(RUN, end=None, links=("r2",)),
    dataclasses.replace(RUN, run_id="r2", started_at=at(2)),
)
LOST = failed("EXECUTION_LOST", "the engine no longer knows the execution")
FOREIGN = dataclasses.replace(RUN, run_id="f1", first_run_id="f1", operation_id=None, task_queue="plugged")
"""Another client's execution under the workflow id."""
STRAY = dataclasses.replace(FOREIGN, run_id="s1", first_run_id="s1", task_queue=STRAY_QUEUE, taken=False)
ADOPTED = adopted_id("default", ONE, "f1")
DIVERGED = dataclasses.replace(TERMINATED, attention_kind="DIVERGED", history_length=4)
TOLD = [*FAILED_LINES, Line(4, "FAILED", "FAILED", "CONFIRMATION", "it closed again", at(9))]
STARTED_AGAIN: dict[str, Any] = {
    "row": dataclasses.replace(TERMINATED, history_length=3),
    "lines": history(("ACCEPTED", 0), ("RUNNING", 3.5), ("FAILED", 3.5)),
    "runs": (ended(END, started_at=at(3)),),
    "deleted": {ONE: [at(2)]},
}
"""The answer to the first start is lost, the execution is deleted, and the ledger starts another before the callback of
the first arrives."""
TRUE_STORIES: dict[str, dict[str, Any]] = {
    "a chain of two runs": {"runs": CHAIN},
    "a refused start": {"row": REFUSED, "lines": history(("ACCEPTED", 0), ("FAILED", 1)), "runs": ()},
    "an event without a change": {
        "row": dataclasses.replace(COMPLETED, history_length=4),
        "lines": history(("ACCEPTED", 0), ("ACCEPTED", 0), ("RUNNING", 1), ("COMPLETED", 5)),
    },
    "a termination": {"row": TERMINATED, "lines": FAILED_LINES, "runs": (ended(TERMINATION),)},
    "a time-out": {
        "row": failed("TIMED_OUT", "too slow"),
        "lines": FAILED_LINES,
        "runs": (ended(End("TIMED_OUT", at(4))),),
    },
    "a cancellation without a reason": {
        "row": failed("CANCELED", "canceled", reason=None, actor=None),
        "lines": FAILED_LINES,
        "runs": (ended(End("CANCELED", at(4))),),
    },
    "a termination before any worker took it": {
        "row": dataclasses.replace(TERMINATED, started_at=None, history_length=2),
        "lines": history(("ACCEPTED", 0), ("FAILED", 5)),
        "runs": (ended(TERMINATION, taken=False),),
    },
    "a failure": {
        "row": failed("WORKFLOW_FAILED", "disk full"),
        "lines": FAILED_LINES,
        "runs": (ended(End("WORKFLOW_FAILED", at(4), message="disk full")),),
    },
    "deleted, lost": {"row": LOST, "lines": FAILED_LINES, "runs": (), "deleted": {ONE: [at(2)]}},
    "deleted, seen as terminated": {"row": TERMINATED, "lines": FAILED_LINES, "runs": (), "deleted": {ONE: [at(2)]}},
    "deleted before it was seen to run, and started again": {"deleted": {ONE: [at(0.5)]}},
    "deleted before its start was answered, and started again": {
        **STARTED_AGAIN,
        "row": DIVERGED,
        "lines": [*STARTED_AGAIN["lines"], TOLD[-1]],
    },
    "reset after its close, the last close shown": {
        "runs": (ended(TERMINATION), AGAIN),
        "row": dataclasses.replace(COMPLETED, finished_at=at(8)),
        "lines": history(("ACCEPTED", 0), ("RUNNING", 1), ("COMPLETED", 9)),
    },
    "reset after its close, closed in the same way, the last close shown": {
        "runs": (RUN, AGAIN),
        "row": dataclasses.replace(COMPLETED, finished_at=at(8)),
        "lines": history(("ACCEPTED", 0), ("RUNNING", 1), ("COMPLETED", 9)),
    },
    "reset after its close, the first shown, divergence told": {
        "row": DIVERGED,
        "lines": TOLD,
        "runs": (ended(TERMINATION), AGAIN),
    },
    "reset after its close, and ended by force once more": {
        "row": TERMINATED,
        "lines": FAILED_LINES,
        "runs": (ended(TERMINATION), dataclasses.replace(AGAIN, end=End("TERMINATED", at(9), reason="again"))),
    },
    "reset after its close, and closed in the same way": {"runs": (RUN, AGAIN)},
    "a foreign execution later under the workflow id": {
        "runs": (RUN, dataclasses.replace(FOREIGN, started_at=at(9), end=dataclasses.replace(END, result="0")))
    },
    "a stray execution that was ended": {"runs": (RUN, dataclasses.replace(STRAY, end=TERMINATION))},
    "an adopted execution": {
        "row": None,
        "rows": {ADOPTED: dataclasses.replace(COMPLETED, id=ADOPTED, origin="ADOPTED", first_run_id="f1")},
        "lines": {ADOPTED: DONE_LINES},
        "runs": (FOREIGN,),
        "declared": Declared(reporting=frozenset({"plugged"})),
    },
}


@pytest.mark.parametrize("name", TRUE_STORIES)
def test_true_stories_are_not_held_against_the_ledger(name: str) -> None:
    """Whatever may happen to an execution has a truthful row."""
    assert list(story(**TRUE_STORIES[name]).violations) == []


RESET_UNTOLD: dict[str, Any] = {"row": TERMINATED, "lines": FAILED_LINES, "runs": (ended(TERMINATION), AGAIN)}
UNTRUE_STORIES: dict[str, tuple[str, dict[str, Any]]] = {
    "a 202 without a row": ("P1", {"row": None, "runs": (), "answers": {"k": frozenset({ONE})}}),
    "a key with two operations": ("P1", {"answers": {"k": frozenset({ONE, "op-2"})}}),
    "a key stored with another operation": ("P1", {"answers": {"k": frozenset({"op-2"})}}),
    "a row whose id no client received": ("P1", {"answers": {}}),
    "a row without a key": ("P1", {"stored_keys": []}),
    "a row of a transaction that was rolled back": ("P1", {"rolled_back": frozenset({"k"})}),
    "a row with two keys": (
        "P1",
        {"stored_keys": [("k", ONE), ("l", ONE)], "answers": {"k": frozenset({ONE}), "l": frozenset({ONE})}},
    ),
    "an execution without a row": ("P1", {"runs": (RUN,), "row": None}),
    "two chains": ("P1", {"runs": (RUN, dataclasses.replace(RUN, run_id="x", first_run_id="x"))}),
    "no chain": ("P1", {"runs": ()}),
    "an execution for another workflow id": ("P1", {"runs": (dataclasses.replace(RUN, workflow_id="op-2"),)}),
    "a reference to another chain than the one started for it": (
        "P1",
        {"row": dataclasses.replace(COMPLETED, first_run_id="f1"), "runs": (RUN, FOREIGN)},
    ),
    "a foreign execution taken as ours": (
        "P8",
        {"row": dataclasses.replace(COMPLETED, first_run_id="f1"), "runs": (FOREIGN,)},
    ),
    "two rows for one chain": (
        "P1",
        {
            "rows": {ONE: COMPLETED, "op-2": dataclasses.replace(COMPLETED, id="op-2")},
            "lines": {ONE: DONE_LINES, "op-2": DONE_LINES},
            "stored_keys": [("k", ONE), ("l", "op-2")],
            "answers": {"k": frozenset({ONE}), "l": frozenset({"op-2"})},
        },
    ),
    "an adopted row with an id of its own": ("P1", {"row": dataclasses.replace(COMPLETED, origin="ADOPTED")}),
    "an adopted row that refers to nothing": (
        "P1",
        {"row": dataclasses.replace(COMPLETED, origin="ADOPTED", first_run_id=None), "runs": ()},
    ),
    "a stray execution that runs on": ("P7", {"runs": (RUN, dataclasses.replace(STRAY, open=True, end=None))}),
    "a stray execution with a row": (
        "P8",
        {"row": dataclasses.replace(COMPLETED, first_run_id="s1"), "runs": (STRAY,)},
    ),
    "a refused start with an execution": (
        "P1",
        {"row": REFUSED, "lines": history(("ACCEPTED", 0), ("FAILED", 1))},
    ),
    "started again after it was seen to run": (
        "P1",
        {"deleted": {ONE: [at(2)]}, "runs": (ended(END, started_at=at(3)),)},
    ),
    "started again after the end of a deleted execution, divergence not told": ("P4", STARTED_AGAIN),
    "a status that went backwards": (
        "P2",
        {
            "row": dataclasses.replace(COMPLETED, history_length=5),
            "lines": history(("ACCEPTED", 0), ("RUNNING", 1), ("ACCEPTED", 2), ("RUNNING", 3), ("COMPLETED", 5)),
        },
    ),
    "an end taken back": (
        "P2",
        {
            "row": dataclasses.replace(TERMINATED, history_length=4),
            "lines": history(("ACCEPTED", 0), ("RUNNING", 1), ("COMPLETED", 5), ("FAILED", 6)),
            "runs": (ended(TERMINATION),),
        },
    ),
    "a failure without a start": (
        "P2",
        {
            "row": dataclasses.replace(TERMINATED, history_length=2),
            "lines": history(("ACCEPTED", 0), ("FAILED", 5)),
            "runs": (ended(TERMINATION),),
        },
    ),
    "RUNNING of what no worker ever took": (
        "P2",
        {"row": TERMINATED, "lines": FAILED_LINES, "runs": (ended(TERMINATION, taken=False),)},
    ),
    "a completion without a start": (
        "P2",
        {"row": dataclasses.replace(COMPLETED, history_length=2), "lines": history(("ACCEPTED", 0), ("COMPLETED", 5))},
    ),
    "a row that is not its last line": ("P2", {"row": dataclasses.replace(COMPLETED, status="RUNNING")}),
    "an end before the close": ("P3", {"runs": (ended(dataclasses.replace(END, closed_at=at(5.5))),)}),
    "an end while the chain is open": ("P3", {"runs": (dataclasses.replace(RUN, open=True, end=None),)}),
    "a closed chain without an end": (
        "P4",
        {"row": Row(ONE, "RUNNING", 2, at(0), at(1)), "lines": history(("ACCEPTED", 0), ("RUNNING", 1))},
    ),
    "an accepted row whose execution was deleted": (
        "P4",
        {
            "row": Row(ONE, "ACCEPTED", 1, at(0)),
            "lines": history(("ACCEPTED", 0)),
            "runs": (),
            "deleted": {ONE: [at(2)]},
        },
    ),
    "a success that was deleted": ("P4", {"runs": (), "deleted": {ONE: [at(2)]}}),
    "a success that was terminated": ("P4", {"runs": (ended(TERMINATION),)}),
    "a failure that was a success": ("P4", {"row": TERMINATED, "lines": FAILED_LINES}),
    "another result": ("P4", {"row": dataclasses.replace(COMPLETED, result='{"a": 2}')}),
    "a falsy result dropped": (
        "P4",
        {"row": dataclasses.replace(COMPLETED, result="null"), "runs": (ended(dataclasses.replace(END, result="0")),)},
    ),
    "false for zero": (
        "P4",
        {"row": dataclasses.replace(COMPLETED, result="false"), "runs": (ended(dataclasses.replace(END, result="0")),)},
    ),
    "another code": (
        "P4",
        {"row": failed("CANCELED", "by hand"), "lines": FAILED_LINES, "runs": (ended(TERMINATION),)},
    ),
    "the wrapper's message": (
        "P4",
        {
            "row": failed("WORKFLOW_FAILED", "Activity task failed"),
            "lines": FAILED_LINES,
            "runs": (ended(End("WORKFLOW_FAILED", at(4), message="disk full")),),
        },
    ),
    "a termination without its reason": (
        "P4",
        {
            "row": failed("TERMINATED", "terminated", reason=None, actor="me"),
            "lines": FAILED_LINES,
            "runs": (ended(TERMINATION),),
        },
    ),
    "a termination without its actor": (
        "P4",
        {
            "row": failed("TERMINATED", "by hand", reason="by hand", actor=None),
            "lines": FAILED_LINES,
            "runs": (ended(TERMINATION),),
        },
    ),
    "an end at the wrong time": ("P4", {"row": dataclasses.replace(COMPLETED, finished_at=at(2))}),
    "a later end that is not told": ("P4", RESET_UNTOLD),
    "a divergence that is none": ("P4", {"row": dataclasses.replace(COMPLETED, attention_kind="DIVERGED")}),
    "a divergence without a line": (
        "P6",
        {**RESET_UNTOLD, "row": dataclasses.replace(TERMINATED, attention_kind="DIVERGED")},
    ),
    "a gap": (
        "P6",
        {"lines": [DONE_LINES[0], *(dataclasses.replace(one, sequence=one.sequence + 1) for one in DONE_LINES[1:])]},
    ),
    "no line at all": ("P6", {"lines": []}),
    "lines that were not counted": ("P6", {"row": dataclasses.replace(COMPLETED, history_length=4)}),
    "a line from somewhere else": (
        "P6",
        {"lines": [*DONE_LINES[:2], dataclasses.replace(DONE_LINES[2], from_status="ACCEPTED")]},
    ),
    "a first line that is no acceptance": (
        "P6",
        {"lines": [dataclasses.replace(DONE_LINES[0], to_status="RUNNING"), *DONE_LINES[1:]]},
    ),
    "times that run backwards": ("P6", {"lines": [*DONE_LINES[:2], dataclasses.replace(DONE_LINES[2], at=at(0.5))]}),
    "no reason": ("P6", {"lines": [*DONE_LINES[:2], dataclasses.replace(DONE_LINES[2], reason="")]}),
    "another end than its work comes to": ("P7", {"orders": {7: Order("onwards", "LEFT_ALONE")}}),
    "no source": ("P6", {"lines": [*DONE_LINES[:2], dataclasses.replace(DONE_LINES[2], source="")]}),
}


@pytest.mark.parametrize("name", UNTRUE_STORIES)
def test_every_untruth_is_seen(name: str) -> None:
    """A checker that cannot fail checks nothing."""
    promise, changes = UNTRUE_STORIES[name]
    assert promise in promises(story(**changes))


def test_what_is_not_through_is_not_judged() -> None:
    """That an execution goes on is nothing that the ledger says wrongly; that the row has ended all the same is."""
    goes_on = (dataclasses.replace(RUN, open=True, end=None),)
    row = Row(ONE, "RUNNING", 2, at(0), at(1), **REFERRING)
    found = story(row, history(("ACCEPTED", 0), ("RUNNING", 1)), goes_on)
    assert (found.violations, found.unfinished) == ([], [ONE])
    ended_too_early = story(runs=goes_on)
    assert (promises(ended_too_early), ended_too_early.unfinished) == (["P3"], [ONE])
    assert story().unfinished == []


@pytest.mark.parametrize(
    ("wrong", "unfinished", "expected", "code"),
    [
        (False, False, Verdict.PASSED, 0),
        (True, False, Verdict.FAILED, 1),
        (True, True, Verdict.FAILED, 1),
        (False, True, Verdict.NOT_JUDGED, 3),
    ],
)
def test_violation_outweighs_what_could_not_be_judged(
    wrong: bool, unfinished: bool, expected: Verdict, code: int
) -> None:
    """What is wrong is, also where not everything could be judged."""
    found = verdict(wrong=wrong, unfinished=unfinished)
    assert (found, found.exit_code) == (expected, code)


def test_later_ends_are_counted() -> None:
    """So that the report shows that there were any."""
    assert (story(**RESET_UNTOLD).later_ends, story().later_ends) == (1, 0)


def test_the_checker_shares_no_code_with_the_service() -> None:
    """It stands on the standard library, asyncpg and temporalio alone: no rule is taken over with its mistake."""
    allowed = {*sys.stdlib_module_names, "asyncpg", "temporalio"}
    files = sorted(CHECKER.rglob("*.py"))
    assert len(files) > 5
    for file in files:
        for node in ast.walk(ast.parse(file.read_text())):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or "."] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                own = name.startswith("tests.chaos.checker")
                assert own or name.partition(".")[0] in allowed, f"{file.name} imports {name}"

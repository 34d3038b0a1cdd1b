"""Effect of reports: all pairs of status and report, both finalities, repeated and late reports."""

from typing import Any

import pytest

from domain.evidence.finality import Finality
from domain.evidence.reporting import apply_report
from domain.operation.operation import Operation
from domain.operation.report import Progress, Report, ReportKind
from domain.operation.status import OperationStatus
from tests.support.operations import accepted, at, completed, dispatched_at, failed, reported, running

K, S = ReportKind, OperationStatus
PROGRESS = Progress(0.5, "half")


def report(kind: ReportKind, **fields: Any) -> Report:
    if kind is K.PROGRESS:
        fields.setdefault("progress", PROGRESS)
    return reported(kind, **fields)


TABLE = [
    # operation, report, statuses written under ENGINE, under WORKFLOW
    ("accepted", K.STARTED, [S.RUNNING], [S.RUNNING]),
    ("accepted", K.PROGRESS, [S.RUNNING], [S.RUNNING]),
    ("accepted", K.COMPLETED, [S.RUNNING], [S.RUNNING, S.COMPLETED]),
    ("accepted", K.FAILED, [S.RUNNING], [S.RUNNING, S.FAILED]),
    ("running", K.STARTED, None, None),
    ("running", K.PROGRESS, [], []),
    ("running", K.COMPLETED, [], [S.COMPLETED]),
    ("running", K.FAILED, [], [S.FAILED]),
    *[(done, kind, None, None) for done in ("completed", "failed") for kind in K],
]
OPERATIONS = {"accepted": dispatched_at(1), "running": running(), "completed": completed(), "failed": failed()}


@pytest.mark.parametrize(("name", "kind", "engine", "workflow"), TABLE)
@pytest.mark.parametrize("finality", list(Finality))
def test_every_status_and_report(
    name: str, kind: ReportKind, engine: object, workflow: object, finality: Finality
) -> None:
    """None: no change. A list: the statuses in the history lines."""
    expected = engine if finality is Finality.ENGINE else workflow
    change = apply_report(OPERATIONS[name], report(kind), finality, at(6))
    if expected is None:
        assert change is None
    else:
        assert change is not None
        assert [line.to_status for line in change.transitions] == expected


def test_under_engine_finality_an_outcome_is_stored_and_a_follow_up_is_due_soon() -> None:
    """P3: no row is terminal before its chain has closed."""
    change = apply_report(running(), report(K.COMPLETED, result=0), Finality.ENGINE, at(6))
    assert change is not None
    assert change.operation.status is S.RUNNING
    assert change.operation.reported == report(K.COMPLETED, result=0)
    assert change.operation.follow_up.due_at is not None
    assert at(6) < change.operation.follow_up.due_at < at(7)


@pytest.mark.parametrize("finality", list(Finality))
def test_a_provisional_outcome_is_never_final(finality: Finality) -> None:
    """Hazard 11: attempt 1 of a retried workflow fails; the operation stays RUNNING."""
    change = apply_report(running(), report(K.FAILED, provisional=True), finality, at(6))
    assert change is not None
    assert not change.operation.done


def test_a_later_attempt_drops_the_earlier_attempt_s_outcome() -> None:
    """Hazard 11: the first attempt's error does not stay."""
    first = apply_report(running(), report(K.FAILED, attempt=1, provisional=True), Finality.ENGINE, at(6))
    assert first is not None
    second = apply_report(first.operation, report(K.STARTED, attempt=2), Finality.ENGINE, at(7))
    assert second is not None
    assert second.operation.reported is None


def test_an_earlier_attempt_s_outcome_does_not_replace_a_later_one_s() -> None:
    """Reports may arrive in any order."""
    second = apply_report(running(), report(K.COMPLETED, attempt=2, result=2), Finality.ENGINE, at(6))
    assert second is not None
    assert apply_report(second.operation, report(K.FAILED, attempt=1), Finality.ENGINE, at(7)) is None


def test_a_repeated_report_changes_nothing() -> None:
    """An activity may run more than once: the effect must be the same."""
    once = apply_report(running(), report(K.COMPLETED, result=[]), Finality.ENGINE, at(6))
    assert once is not None
    assert apply_report(once.operation, report(K.COMPLETED, result=[]), Finality.ENGINE, at(8)) is None
    moved = apply_report(running(), report(K.PROGRESS), Finality.ENGINE, at(6))
    assert moved is not None
    assert apply_report(moved.operation, report(K.PROGRESS), Finality.ENGINE, at(8)) is None


@pytest.mark.parametrize("result", [None, False, 0, 0.0, "", [], {}])
@pytest.mark.parametrize("operation", [accepted(), running()], ids=["accepted", "running"])
def test_a_falsy_result_is_a_result(operation: Operation, result: object) -> None:
    """Hazard 12."""
    change = apply_report(operation, report(K.COMPLETED, result=result), Finality.WORKFLOW, at(6))
    assert change is not None
    assert change.operation.status is S.COMPLETED
    assert change.operation.result == result
    assert type(change.operation.result) is type(result)

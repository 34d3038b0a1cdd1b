"""Steps of a run: one after the other, or at the same time, and reports that are merged."""

import pytest

from opledger._tracking.steps import MAX_STEPS, Steps, merged
from opledger.wire import ReportedProgress, ReportedStep, StepState

RUNNING, COMPLETED, FAILED = StepState


def at(second: int) -> str:
    return f"2026-01-01T12:00:{second:02}+00:00"


def step(name: str, state: StepState = RUNNING, started: int = 0, updated: int | None = None) -> ReportedStep:
    return ReportedStep(name, state, at(started), at(started if updated is None else updated))


def test_a_new_step_completes_the_running_ones() -> None:
    """It starts when they end. What has failed stays failed."""
    steps = Steps()
    steps.change(step("a"), ends_others=True)
    steps.change(step("b", FAILED, 1), ends_others=False)
    steps.change(step("c", started=2), ends_others=True)
    assert steps.all == [step("a", COMPLETED, 0, 2), step("b", FAILED, 1), step("c", started=2)]


def test_a_change_of_a_running_step_completes_no_other() -> None:
    """It keeps its start, and what the change does not mention."""
    steps = Steps()
    steps.change(step("a"), ends_others=False)
    steps.change(ReportedStep("b", RUNNING, at(1), at(1), 0.1, "one"), ends_others=False)
    steps.change(ReportedStep("b", RUNNING, at(5), at(5), 0.5), ends_others=True)
    assert steps.all == [step("a"), ReportedStep("b", RUNNING, at(1), at(5), 0.5, "one")]
    steps.change(step("b", COMPLETED, 6), ends_others=False)
    assert steps.all == [step("a"), ReportedStep("b", COMPLETED, at(1), at(6), 0.5, "one")]


def test_a_step_that_has_ended_can_begin_again() -> None:
    """As a new step, which completes the running ones."""
    steps = Steps()
    for name in "aba":
        steps.change(step(name, started=len(steps.all)), ends_others=True)
    assert steps.all == [step("a", started=2), step("b", COMPLETED, 1, 2)]


def test_a_report_has_what_has_changed_since_it_arrived() -> None:
    """A lost report loses nothing. A step that changed while its report was pending is in the next one too."""
    steps = Steps()
    steps.change(step("a"), ends_others=True)
    lost = steps.changed
    assert lost == steps.changed == [step("a")]
    steps.change(step("b", started=1), ends_others=True)
    sent = steps.changed
    assert sent == [step("a", COMPLETED, 0, 1), step("b", started=1)]
    steps.change(step("b", COMPLETED, 2), ends_others=False)
    steps.arrived(sent)
    assert steps.changed == [step("b", COMPLETED, 1, 2)]
    steps.arrived(steps.changed)
    assert (steps.changed, len(steps.all)) == ([], 2)


@pytest.mark.parametrize("ends_others", [False, True])
def test_a_run_has_a_limited_number_of_steps(ends_others: bool) -> None:
    """Further ones change nothing, and known ones still change."""
    steps = Steps()
    for number in range(MAX_STEPS):
        assert steps.change(step(str(number)), ends_others=False)
    before = steps.all
    assert not steps.change(step("one too many"), ends_others=ends_others)
    assert steps.all == before
    assert steps.change(step("0", FAILED, 1), ends_others=False)


def test_merged_reports_lose_no_step() -> None:
    """The newest change of each step, and the newest fraction and message."""
    older = ReportedProgress(0.1, "one", [step("a"), step("b", updated=5)])
    newer = ReportedProgress(steps=[step("a", COMPLETED, 0, 3), step("b", updated=2), step("c", started=3)])
    both = [step("a", COMPLETED, 0, 3), step("b", updated=5), step("c", started=3)]
    assert merged(older, newer) == ReportedProgress(0.1, "one", both)
    assert merged(older, ReportedProgress(message="two")) == ReportedProgress(None, "two", older.steps)

"""Progress and steps after reports: each change of a step, and reports in any order."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.evidence.progress import MAX_STEPS, progress_after
from domain.operation.report import Progress, Report, ReportKind, Step, StepState
from tests.support.operations import at

RUNNING, COMPLETED, FAILED = StepState
NOW = at(1000)


def report(seconds: float, *steps: Step, attempt: int = 1, **stated: object) -> Report:
    """A progress report at that time."""
    progress = Progress(steps=steps, **stated)  # type: ignore[arg-type]
    return Report(ReportKind.PROGRESS, at(seconds), attempt, progress=progress)


def step(state: StepState, started: float, updated: float, name: str = "wipe", **stated: object) -> Step:
    return Step(name, state, at(started), at(updated), **stated)  # type: ignore[arg-type]


def known(*steps: Step, **fields: object) -> Progress:
    return Progress(steps=steps, **fields)  # type: ignore[arg-type]


def after(progress: Progress | None, *reports: Report) -> Progress:
    """The progress after all reports."""
    for one in reports:
        progress = progress_after(progress, one, NOW)
    assert progress is not None
    return progress


TABLE = {
    "first": ([], step(RUNNING, 1, 1), step(RUNNING, 1, 1)),
    "first, and ended": ([], step(FAILED, 1, 2), step(FAILED, 1, 2)),
    "completed with a fraction": ([], step(COMPLETED, 1, 2, fraction=0.4), step(COMPLETED, 1, 2, fraction=1.0)),
    "goes on": (
        [step(RUNNING, 1, 1, fraction=0.1, message="a")],
        step(RUNNING, 3, 3, fraction=0.2),
        step(RUNNING, 1, 3, fraction=0.2, message="a"),
    ),
    "completes": (
        [step(RUNNING, 1, 1, fraction=0.1, message="a")],
        step(COMPLETED, 3, 3),
        step(COMPLETED, 1, 3, fraction=1.0, message="a"),
    ),
    "fails": ([step(RUNNING, 1, 1, fraction=0.1)], step(FAILED, 3, 3), step(FAILED, 1, 3, fraction=0.1)),
    "begins again": ([step(COMPLETED, 1, 2, fraction=1.0, message="a")], step(RUNNING, 3, 3), step(RUNNING, 3, 3)),
    "late change": ([step(RUNNING, 1, 4, fraction=0.3)], step(RUNNING, 1, 3, fraction=0.2), None),
    "late begin": ([step(COMPLETED, 1, 4)], step(RUNNING, 1, 1), None),
    "begin and end at the same time": ([step(RUNNING, 1, 1)], step(COMPLETED, 1, 1), step(COMPLETED, 1, 1)),
    "the same, the other way round": ([step(COMPLETED, 1, 1)], step(RUNNING, 1, 1), None),
    "another end": ([step(COMPLETED, 1, 2)], step(FAILED, 1, 3), step(FAILED, 1, 3)),
    "repeated": ([step(RUNNING, 1, 1, message="a")], step(RUNNING, 1, 1, message="a"), None),
    "repeated later": (
        [step(RUNNING, 1, 1, message="a")],
        step(RUNNING, 5, 5, message="a"),
        step(RUNNING, 1, 5, message="a"),
    ),
    "ended before it began": ([], step(FAILED, 3, 1), step(FAILED, 3, 3)),
    "in the future": ([], step(RUNNING, 2000, 3000), step(RUNNING, 1000, 1000)),
}


@pytest.mark.parametrize("name", TABLE)
def test_every_change_of_a_step(name: str) -> None:
    """None: the report says nothing new."""
    before, reported, expected = TABLE[name]
    progress = known(*before)
    changed = progress_after(progress, report(9, reported), NOW)
    if expected is None:
        assert changed is progress
    else:
        assert changed == known(expected)


def test_steps_are_in_the_order_of_their_start() -> None:
    """A step that began before one that is known goes before it; one that begins again goes to the end."""
    progress = after(None, report(1, step(RUNNING, 2, 2, "b")), report(2, step(RUNNING, 1, 1, "a")))
    assert [one.name for one in progress.steps] == ["a", "b"]
    progress = after(progress, report(3, step(COMPLETED, 1, 3, "a")), report(4, step(RUNNING, 4, 4, "a")))
    assert [one.name for one in progress.steps] == ["b", "a"]


def test_a_report_of_some_steps_keeps_the_others() -> None:
    """And fraction and message, if it has none."""
    progress = after(known(step(RUNNING, 1, 1, "a"), fraction=0.5, message="half", at=at(1)), report(2))
    progress = after(progress, report(3, step(RUNNING, 3, 3, "b")))
    assert (progress.fraction, progress.message, len(progress.steps)) == (0.5, "half", 2)


def test_older_progress_does_not_replace_newer() -> None:
    """Hazard 35: reports may arrive in any order. Those of the same time replace each other."""
    newest = after(None, report(5, fraction=0.5, message="half"))
    assert progress_after(newest, report(4, fraction=0.4), NOW) is newest
    assert after(newest, report(5, fraction=0.6)).fraction == 0.6


def test_a_clock_that_is_ahead_does_not_hide_later_progress() -> None:
    """Hazard 33: an activity reports by the clock of its machine."""
    ahead = progress_after(None, report(5000, step(RUNNING, 5000, 5000), fraction=0.1), at(10))
    changed = progress_after(ahead, report(11, step(COMPLETED, 5, 11), fraction=0.2), at(11))
    assert changed is not None
    assert (changed.fraction, changed.steps[0].state) == (0.2, COMPLETED)


def test_a_later_attempt_begins_anew() -> None:
    """Hazard 11: what an attempt that has failed reported does not stay. Its late reports do not come back."""
    first = after(None, report(1, step(RUNNING, 1, 1, "a"), fraction=0.9))
    second = after(first, report(2, step(RUNNING, 2, 2, "b"), attempt=2))
    assert (second.fraction, [one.name for one in second.steps]) == (None, ["b"])
    continued = after(second, report(3, fraction=0.1, attempt=1))
    assert (continued.fraction, len(continued.steps)) == (0.1, 1), "continue-as-new counts attempts from one again"


def test_the_number_of_steps_is_limited() -> None:
    """Known ones still change."""
    progress = after(None, *(report(n, step(RUNNING, n, n, str(n))) for n in range(MAX_STEPS + 5)))
    assert [one.name for one in progress.steps] == [str(n) for n in range(MAX_STEPS)]
    assert after(progress, report(200, step(FAILED, 0, 200, "0"))).steps[0].state is FAILED


@pytest.mark.parametrize("state", [COMPLETED, FAILED])
def test_the_end_of_the_operation_closes_running_steps(state: StepState) -> None:
    """What has ended before stays."""
    closed = known(step(RUNNING, 1, 2, "a", fraction=0.5), step(FAILED, 1, 3, "b")).closed(state, at(9))
    fraction = 1.0 if state is COMPLETED else 0.5
    assert closed.steps == (step(state, 1, 9, "a", fraction=fraction), step(FAILED, 1, 3, "b"))


STEPS = st.builds(
    lambda name, state, times: step(state, min(times), max(times), name),
    st.sampled_from("ab"),
    st.sampled_from(StepState),
    st.lists(st.integers(0, 900), min_size=2, max_size=2, unique=True),
)
REPORTS = st.lists(
    st.builds(lambda seconds, fraction, steps: report(seconds, *steps, fraction=fraction),
              st.integers(0, 900), st.none() | st.floats(0, 1), st.lists(STEPS, max_size=3)),
    max_size=8,
)  # fmt: skip


@given(REPORTS)
def test_a_repeated_report_changes_nothing(reports: list[Report]) -> None:
    """A report may arrive twice."""
    progress: Progress | None = None
    for one in reports:
        progress = progress_after(progress, one, NOW)
        assert progress_after(progress, one, NOW) is progress


@given(REPORTS, st.randoms())
def test_the_order_of_arrival_does_not_decide(reports: list[Report], random: object) -> None:
    """The newest change of each step wins, and the newest fraction. No two reports are equal here."""
    distinct = [
        replace(one, at=at(number), progress=Progress(number / 10, steps=_at(one.progress.steps, number)))
        for number, one in enumerate(reports)
        if one.progress is not None
    ]
    shuffled = [*distinct]
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    states, fractions = [], []
    for order in (distinct, shuffled):
        progress: Progress | None = None
        for one in order:
            progress = progress_after(progress, one, NOW)
        states.append({} if progress is None else {one.name: one.state for one in progress.steps})
        fractions.append(None if progress is None else progress.fraction)
    assert states[0] == states[1]
    assert fractions[0] == fractions[1]


def _at(steps: tuple[Step, ...], number: int) -> tuple[Step, ...]:
    """The first step, changed at that time."""
    return tuple(replace(one, started_at=at(0), updated_at=at(number)) for one in steps[:1])

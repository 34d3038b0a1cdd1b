"""The steps of a workflow run, and progress that waits for its report."""

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from opledger.wire import ReportedProgress, ReportedStep, StepState

MAX_STEPS = 100
"""Steps of one run. Further ones are dropped."""


class Steps:
    """The steps that a run has named. A report has those that have changed since they last arrived: with all of them in
    each, the history of a workflow would grow with the square of their number."""

    def __init__(self) -> None:
        self._by_name: dict[str, ReportedStep] = {}
        self._arrived: dict[str, ReportedStep] = {}
        """As the ledger has them."""

    @property
    def all(self) -> list[ReportedStep]:
        """Every step, by its first begin."""
        return [*self._by_name.values()]

    @property
    def changed(self) -> list[ReportedStep]:
        """The steps that the ledger does not have as they are, by their first begin."""
        return [step for step in self.all if self._arrived.get(step.name) != step]

    def arrived(self, steps: Iterable[ReportedStep]) -> None:
        """Notes what a report that has arrived had. What a lost one had stays changed."""
        self._arrived.update((step.name, step) for step in steps)

    def change(self, step: ReportedStep, *, ends_others: bool) -> bool:
        """Begins, changes or ends a step. Returns whether it was kept; False: the run has too many.

        `ends_others`: if the step begins, the running ones are completed.
        """
        known = self._by_name.get(step.name)
        if known is None and len(self._by_name) >= MAX_STEPS:
            return False
        runs = known is not None and known.state is StepState.RUNNING
        if ends_others and not runs:
            for other in self.all:
                if other.state is StepState.RUNNING:
                    self._by_name[other.name] = replace(other, state=StepState.COMPLETED, updated_at=step.updated_at)
        if known is not None and (runs or step.state is not StepState.RUNNING):
            step = _continued(known, step)
        self._by_name[step.name] = step
        return True


def merged(older: ReportedProgress, newer: ReportedProgress) -> ReportedProgress:
    """The progress of two reports in one."""
    says = newer if (newer.fraction, newer.message) != (None, None) else older
    steps = {step.name: step for step in older.steps}
    for step in newer.steps:
        known = steps.get(step.name)
        if known is None or _time(known) <= _time(step):
            steps[step.name] = step
    return ReportedProgress(says.fraction, says.message, [*steps.values()])


def _continued(known: ReportedStep, step: ReportedStep) -> ReportedStep:
    """The step keeps its start, and what the change does not mention."""
    fraction = known.fraction if step.fraction is None else step.fraction
    message = known.message if step.message is None else step.message
    return replace(step, started_at=known.started_at, fraction=fraction, message=message)


def _time(step: ReportedStep) -> datetime:
    return datetime.fromisoformat(step.updated_at)

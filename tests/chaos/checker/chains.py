"""Runs as chains: continued, retried and reset runs belong to one, another start makes another."""

import json
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tests.chaos.checker.facts import End, Facts, Order, Run

ChainId = tuple[str, str]
"""Workflow id and first run id: what an operation refers to."""


@dataclass(frozen=True)
class Chain:
    """All runs that came of one start."""

    workflow_id: str
    first_run_id: str
    runs: tuple[Run, ...]
    """At least one, the earliest first."""

    @property
    def id(self) -> ChainId:
        return self.workflow_id, self.first_run_id

    @property
    def first(self) -> Run:
        """The first of its runs, as far as they are known."""
        return self.runs[0]

    @property
    def operation_id(self) -> str | None:
        """The operation that it was started for, if its start names one."""
        return self.first.operation_id

    @property
    def started_at(self) -> datetime:
        """When the first of its runs started, as far as they are known."""
        return self.first.started_at

    @property
    def open(self) -> bool:
        """Whether one of its runs goes on."""
        return any(run.open for run in self.runs)

    @property
    def ends(self) -> list[End]:
        """Every time that it closed, the earliest first: more than once only where it was reset after a close."""
        return sorted((run.end for run in self.runs if run.end is not None), key=lambda end: end.closed_at)


def chains(runs: Sequence[Run]) -> list[Chain]:
    """The chains of these runs, the earliest first."""
    by_first: defaultdict[ChainId, list[Run]] = defaultdict(list)
    for run in runs:
        by_first[(run.workflow_id, run.first_run_id)].append(run)
    found = [Chain(*chain, tuple(sorted(members, key=_first_run_first))) for chain, members in by_first.items()]
    return sorted(found, key=lambda chain: chain.started_at)


def number_of(text: str | None) -> int | None:
    """The number in an input: that of the planned work."""
    value = None if text is None else json.loads(text)
    number = value.get("number") if isinstance(value, dict) else None
    return number if isinstance(number, int) else None


def order_of(facts: Facts, text: str | None) -> Order | None:
    """What was ordered with the input; None if it has no number of planned work."""
    number = number_of(text)
    return None if number is None else facts.orders.get(number)


def _first_run_first(run: Run) -> tuple[bool, datetime]:
    return run.run_id != run.first_run_id, run.started_at

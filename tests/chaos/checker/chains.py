"""The runs of a workflow id as chains: continued, retried and reset runs belong to one, another start makes another."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from tests.chaos.checker.facts import End, Run


@dataclass(frozen=True)
class Chain:
    """All runs that came of one start."""

    first_run_id: str
    runs: tuple[Run, ...]

    @property
    def started_at(self) -> datetime:
        """When the first of its runs started, as far as they are known."""
        return min(run.started_at for run in self.runs)

    @property
    def open(self) -> bool:
        """Whether one of its runs goes on."""
        return any(run.open for run in self.runs)

    @property
    def ends(self) -> list[End]:
        """Every time that it closed, the earliest first: more than once only where it was reset after a close."""
        return sorted((run.end for run in self.runs if run.end is not None), key=lambda end: end.closed_at)


def chains(runs: Sequence[Run]) -> list[Chain]:
    """The chains of one workflow id, the earliest first."""
    by_first: defaultdict[str, list[Run]] = defaultdict(list)
    for run in runs:
        by_first[run.first_run_id].append(run)
    found = [Chain(first, tuple(members)) for first, members in by_first.items()]
    return sorted(found, key=lambda chain: chain.started_at)

"""CPU time by process."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import median

import psutil

from benchmarks.harness.measurement import Row, column

TEMPORAL, POSTGRES, API = "Temporal's server", "PostgreSQL", "the API"
WORKER, TEAM, CLIENT = "the ledger's worker", "the team's worker", "the client"
PROCESSES = (TEMPORAL, POSTGRES, API, WORKER, TEAM, CLIENT)


class Spent:
    """CPU time of this process, which is the client, and of its children, since the object was created."""

    def __init__(self) -> None:
        self._begin = _so_far()

    def on_each(self, many: int) -> list[float]:
        """Returns the milliseconds per operation, in the order of PROCESSES."""
        now = _so_far()
        return [(now[name] - self._begin[name]) * 1000 / many for name in PROCESSES]


def of_backend(process_id: int) -> float:
    """Returns the CPU seconds of a connection's server process."""
    return int(Path(f"/proc/{process_id}/schedstat").read_text().split()[0]) / 1e9


def by_process(what: str, against: str, ours: Sequence[tuple[float, ...]], theirs: Sequence[tuple[float, ...]]) -> Row:
    """The row of measures whose figures are a rate and then those of `Spent.on_each`. The note has the share of each
    process."""
    sides = [
        [f"{median(column(side, place)):.1f}" for place in range(1, len(PROCESSES) + 1)] for side in (ours, theirs)
    ]
    each = (f"{name} {our} (untracked {their})" for name, our, their in zip(PROCESSES, *sides, strict=True))
    return Row(what, against, "ms", _together(ours), _together(theirs), note=", ".join(each))


def _together(measured: Sequence[tuple[float, ...]]) -> tuple[float, ...]:
    return tuple(sum(figures[1:]) for figures in measured)


def _so_far() -> Mapping[str, float]:
    """Returns the CPU seconds by process."""
    seconds = defaultdict(float, {CLIENT: _seconds(psutil.Process())})
    for process in psutil.Process().children(recursive=True):
        try:
            seconds[_name(process)] += _seconds(process)
        except psutil.NoSuchProcess:
            continue
    return seconds


def _name(process: psutil.Process) -> str:
    command = process.cmdline()
    if "benchmarks.tracking.team_worker" in command:
        return TEAM
    if "entrypoints.cli.main" in command:
        return API if "api" in command else WORKER
    return {"temporal": TEMPORAL, "postgres": POSTGRES}.get(process.name(), "")


def _seconds(process: psutil.Process) -> float:
    """Returns the CPU seconds of a process, ended children included, such as PostgreSQL's of closed connections."""
    times = process.cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)

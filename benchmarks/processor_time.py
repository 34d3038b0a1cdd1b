"""Processor time by process: what of a figure is whose, where everything shares one machine."""

from collections import defaultdict
from collections.abc import Mapping

import psutil

TEMPORAL, POSTGRES, API = "Temporal's server", "PostgreSQL", "the API"
WORKER, TEAM, CLIENT = "the ledger's worker", "the team's worker", "the client"
PROCESSES = (TEMPORAL, POSTGRES, API, WORKER, TEAM, CLIENT)


class Spent:
    """What this process, the client, and those that it has begun have spent since this was made."""

    def __init__(self) -> None:
        self._begin = _so_far()

    def on_each(self, many: int) -> list[float]:
        """Milliseconds for each of so many operations, in the order of PROCESSES."""
        now = _so_far()
        return [(now[name] - self._begin[name]) * 1000 / many for name in PROCESSES]


def _so_far() -> Mapping[str, float]:
    """Seconds."""
    seconds = defaultdict(float, {CLIENT: _seconds(psutil.Process())})
    for process in psutil.Process().children(recursive=True):
        try:
            seconds[_name(process)] += _seconds(process)
        except psutil.NoSuchProcess:
            continue
    return seconds


def _name(process: psutil.Process) -> str:
    command = process.cmdline()
    if "benchmarks.team_worker" in command:
        return TEAM
    if "entrypoints.cli.main" in command:
        return API if "api" in command else WORKER
    return {"temporal": TEMPORAL, "postgres": POSTGRES}.get(process.name(), "")


def _seconds(process: psutil.Process) -> float:
    """Of those that it has begun and that have ended too: PostgreSQL's for connections that were closed."""
    times = process.cpu_times()
    return float(times.user + times.system + times.children_user + times.children_system)

"""Runs the benchmarks: `python -m benchmarks [--only NAME ...]`.

Embedded parts, fsync on. The figures of the ledger and of its alternative are taken in turns. Prints the table; a whole
run also writes it into docs/performance.md, and every figure to benchmarks/results.json. A missed goal is shown in the
table, and the exit code is still 0.
"""

import argparse
import asyncio
import json
import os
import signal
import sys
import time
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from pathlib import Path
from typing import Any

import uvloop

from benchmarks.adoption import adopting, plugin, watching
from benchmarks.api import (
    accepting,
    bulk,
    charting,
    counting,
    dashboard,
    finding,
    growing,
    listing,
    processes,
    reading,
    transactional,
    validating,
)
from benchmarks.client import using
from benchmarks.convergence import reconciling
from benchmarks.harness.markdown import write_table
from benchmarks.harness.measurement import Row, Scale
from benchmarks.harness.table import RESULTS, print_table, write_json
from benchmarks.peers import comparison
from benchmarks.startup import footprint, starting
from benchmarks.tracking import close_lag, completing, recording, tracking
from benchmarks.waiting import waiting

TOPICS: Mapping[str, Callable[[Scale], Awaitable[list[Row]]]] = {
    "reading": reading.rows,
    "listing": listing.rows,
    "accepting": accepting.rows,
    "recording": recording.rows,
    "waiting": waiting.rows,
    "starting": starting.rows,
    "footprint": footprint.rows,
    "completing": completing.rows,
    "tracking": tracking.rows,
    "plugin": plugin.rows,
    "close_lag": close_lag.rows,
    "adopting": adopting.rows,
    "watching": watching.rows,
    "reconciling": reconciling.rows,
}
"""By name, in the order of the table."""
LONG: Mapping[str, Callable[[Scale], Awaitable[list[Row]]]] = {
    "bulk": bulk.rows_of_accepted,
    "bulk_running": bulk.rows_of_running,
    "bulk_retry": bulk.rows_of_retried,
    "charting": charting.rows,
    "client": using.rows,
    "counting": counting.rows,
    "dashboard": dashboard.rows,
    "finding": finding.rows,
    "growing": growing.rows,
    "peers": comparison.rows,
    "processes": processes.rows,
    "transactional": transactional.rows,
    "validating": validating.rows,
}
"""Topics that run only if `--only` names them."""


async def run(names: list[str], scale: Scale) -> list[Row]:
    """Measures the topics. Returns their rows."""
    rows: list[Row] = []
    for name in names:
        begin = time.monotonic()
        print(f"{name} ...", end=" ", flush=True)
        rows += await {**TOPICS, **LONG}[name](scale)
        print(f"{time.monotonic() - begin:.0f} s", flush=True)
    return rows


async def _until_terminated(measuring: Coroutine[Any, Any, list[Row]]) -> list[Row]:
    """Handles SIGTERM like Ctrl-C: servers stop, and their folders are removed."""
    task = asyncio.create_task(measuring)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    return await task


def main() -> None:
    """Measures, and prints the table."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = [*TOPICS, *LONG]
    parser.add_argument("--only", nargs="+", choices=names, metavar="NAME", help=f"of {', '.join(names)}")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--part", type=float, default=1.0, help="how much of the full size; figures mean less then")
    parser.add_argument("--json", type=Path, help=f"default: {RESULTS.name} beside this file, for a whole run")
    arguments = parser.parse_args()
    rows = uvloop.run(_until_terminated(run(arguments.only or list(TOPICS), Scale(arguments.repeats, arguments.part))))
    print_table(rows)
    if target := arguments.json or (None if arguments.only or arguments.part < 1 else RESULTS):
        write_json(rows, target)
        if target == RESULTS:
            write_table(json.loads(RESULTS.read_text())["rows"])


if __name__ == "__main__":
    main()
    sys.stdout.flush()
    os._exit(0)  # temporalio can crash while the interpreter takes itself apart

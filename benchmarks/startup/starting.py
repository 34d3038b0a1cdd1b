"""Start time: imports, against those of an empty program on the same libraries; `up`; and `--help`.

Imports are measured in processor time, which other processes on the machine change little. Packages that are installed
for development alone are hidden from both programs: dependency-injector and Litestar import some where they find them.
"""

import asyncio
import contextlib
import os
import re
import resource
import signal
import sys
import tempfile
import time
from collections.abc import AsyncIterator
from importlib.metadata import packages_distributions
from pathlib import Path
from typing import Final

from benchmarks.harness.measurement import Goal, Row, Scale, column, in_turns
from benchmarks.harness.stage import OPLEDGER, READY_WITHIN
from entrypoints.net import free_port

ROOT: Final = Path(__file__).parents[2]
EMPTY_API: Final = """
import asyncpg, litestar, uvicorn
from sqlalchemy.ext.asyncio import create_async_engine
create_async_engine("postgresql+asyncpg://")
"""
AS_THE_COMMAND: Final = "from entrypoints.cli.main import without_collections\nwith without_collections(): import "
WITH_TEMPORAL: Final = f"{AS_THE_COMMAND}entrypoints.serve_api, entrypoints.wiring.temporal"
"""Imports of the API until it listens. It imports Temporal's SDK once settings and operation types are checked."""
EMPTY_WITH_TEMPORAL: Final = EMPTY_API + "import temporalio.client\n"
EMPTY_WORKER: Final = """
import asyncpg, temporalio.client, temporalio.worker
from sqlalchemy.ext.asyncio import create_async_engine
create_async_engine("postgresql+asyncpg://")
"""
HIDE: Final = """
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name in {names!r}:
            raise ModuleNotFoundError(name, name=name)
sys.meta_path.insert(0, Hidden())
"""


async def rows(scale: Scale) -> list[Row]:
    """Seconds."""
    hide = HIDE.format(names=_development_only())
    with tempfile.TemporaryDirectory(prefix="opledger-bench-") as place:
        api, empty_api, whole_api, empty_whole_api, worker, empty_worker, up, help_ = await in_turns(
            scale.repeats,
            lambda: _imported(f"{hide}{AS_THE_COMMAND}entrypoints.serve_api"),
            lambda: _imported(hide + EMPTY_API),
            lambda: _imported(hide + WITH_TEMPORAL),
            lambda: _imported(hide + EMPTY_WITH_TEMPORAL),
            lambda: _imported(f"{hide}{AS_THE_COMMAND}entrypoints.run_worker"),
            lambda: _imported(hide + EMPTY_WORKER),
            lambda: _up(Path(place)),
            _help,
        )
    most = Goal(1.4, "at most")
    return [
        Row(
            *("import of the API", "an empty Litestar", "s"),
            *(column(api, 0), column(empty_api, 0), most),
            note="processor time; both with uvicorn, SQLAlchemy and asyncpg",
        ),
        Row(
            *("import of the API with Temporal's SDK", "an empty Litestar and temporalio's client", "s"),
            *(column(whole_api, 0), column(empty_whole_api, 0), most),
            note="processor time; all that the API imports until it listens",
        ),
        Row(
            *("import of the worker", "temporalio's client and worker", "s"),
            *(column(worker, 0), column(empty_worker, 0), most),
            note="processor time; both with SQLAlchemy and asyncpg",
        ),
        Row(
            "`opledger up`", "", "s", column(up, 0), goal=Goal(4, "at most"), note="until ready, on an existing folder"
        ),
        Row("`opledger --help`", "", "s", column(help_, 0), goal=Goal(0.2, "at most")),
    ]


def _development_only() -> frozenset[str]:
    """Names of the top-level modules of packages that requirements/service.txt does not have."""
    lines = (ROOT / "requirements/service.txt").read_text().splitlines()
    ours = {_plain(line.partition("==")[0]) for line in lines if "==" in line} | {"opledger", "opledger-service"}
    return frozenset(
        module
        for module, distributions in packages_distributions().items()
        if not ours & set(map(_plain, distributions))
    )


def _plain(distribution: str) -> str:
    return re.sub(r"[-_.]+", "-", distribution).lower()


async def _imported(program: str) -> tuple[float]:
    """Processor seconds of an interpreter that runs the program."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    await _run(sys.executable, "-c", program)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return (after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,)


async def _help() -> tuple[float]:
    begin = time.perf_counter()
    await _run(str(Path(sys.executable).with_name("opledger")), "--help")
    return (time.perf_counter() - begin,)


async def _run(*command: str) -> None:
    """Runs a program. Raises RuntimeError if it fails."""
    process = await asyncio.create_subprocess_exec(*command, cwd=ROOT, stdout=asyncio.subprocess.DEVNULL)
    if await process.wait():
        raise RuntimeError(f"{command[:2]} failed")


async def _up(place: Path) -> tuple[float]:
    """Returns the seconds until `up` reports that it is ready. The first call creates the data folder."""
    begin = time.perf_counter()
    async with _started(place) as process:
        assert process.stderr is not None
        async with asyncio.timeout(READY_WITHIN):
            while line := await process.stderr.readline():
                if b"is ready after" in line:
                    return (time.perf_counter() - begin,)
    raise RuntimeError("`opledger up` ended before it was ready")


@contextlib.asynccontextmanager
async def _started(place: Path) -> AsyncIterator[asyncio.subprocess.Process]:
    ports = ("--port", str(free_port()), "--temporal-port", str(free_port()), "--ui-port", str(free_port()))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPLEDGER_", "TEMPORAL_"))}
    process = await asyncio.create_subprocess_exec(
        *(*OPLEDGER, "up", "--data-dir", str(place / "data"), *ports),
        cwd=place,
        env={**kept, "PYTHONPATH": str(ROOT)},
        stderr=asyncio.subprocess.PIPE,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.send_signal(signal.SIGINT)
        await process.communicate()

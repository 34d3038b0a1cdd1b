"""Cost of refusing an input: the bounded walk, against the error lists of two libraries.

Each check runs in its own process, within 20 s and 4 GiB. A check that exceeds them has the limit as its figure."""

import asyncio
import json
import resource
import signal
import sys
from collections.abc import Sequence
from functools import partial
from typing import Final

from benchmarks.api.validating_once import CASES, IMPLEMENTATIONS
from benchmarks.harness.measurement import Row, Scale, column, in_turns

_SECONDS: Final = 20.0
_BYTES: Final = 4 << 30
_KILLED: Final = (-signal.SIGXCPU, -signal.SIGKILL, -signal.SIGABRT)


async def rows(scale: Scale) -> list[Row]:
    """Time and memory of every case, against every alternative. Prints the error text of each."""
    found: list[Row] = []
    for case in CASES:
        measures = [partial(_checked, name, case) for name in IMPLEMENTATIONS]
        ours, *others = await in_turns(scale.repeats, *measures)
        for name, theirs in zip(list(IMPLEMENTATIONS)[1:], others, strict=True):
            found.append(Row(case, name, "ms", column(ours, 0), column(theirs, 0)))
            found.append(Row(case, name, "MiB", column(ours, 1), column(theirs, 1)))
        print()
        for name in IMPLEMENTATIONS:
            print(f"  {name}: {await _words(name, case)}", flush=True)
    return found


async def _checked(name: str, case: str) -> Sequence[float]:
    answer = await _once(name, case)
    if answer is None:
        return _SECONDS * 1000, _BYTES / 2**20
    seconds, grown, _ = json.loads(answer)
    return seconds * 1000, max(grown, 0.1)


async def _words(name: str, case: str) -> str:
    answer = await _once(name, case)
    return "stopped at 20 s or 4 GiB" if answer is None else str(json.loads(answer)[2][:4])


async def _once(name: str, case: str) -> bytes | None:
    command = sys.executable, "-m", "benchmarks.api.validating_once", name, case
    process = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE, preexec_fn=_limited
    )
    answer, words = await process.communicate()
    if process.returncode == 0:
        return answer
    if process.returncode not in _KILLED and b"MemoryError" not in words:
        raise RuntimeError(f"{name} on {case}: {words.decode()[-500:]}")
    return None


def _limited() -> None:
    resource.setrlimit(resource.RLIMIT_AS, (_BYTES, _BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (int(_SECONDS), int(_SECONDS)))

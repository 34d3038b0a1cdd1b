"""opledger's commands in forks of one process that has imported what they need, for tests that run many of them.

Imports are two seconds of every command. A fork differs from a new process in nothing else: arguments, folder,
environment, standard streams and exit code are its own.
"""

import asyncio
import json
import os
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import NoReturn

from tests.support.stack.commands import Ended, environment

ROOT = Path(__file__).parents[3]


class Forks:
    """The process to fork from. Commands run one after another."""

    def __init__(self) -> None:
        self._server = subprocess.Popen(
            [sys.executable, "-m", __name__],
            cwd=ROOT,
            env=environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        self._one_at_a_time = asyncio.Lock()

    def __enter__(self) -> "Forks":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._server.kill()
        self._server.communicate()

    async def run(self, *arguments: str, cwd: Path, **variables: str) -> Ended:
        """Run a command to its end."""
        async with self._one_at_a_time:
            return await asyncio.to_thread(self._run, arguments, cwd, environment(**variables))

    def _run(self, arguments: Sequence[str], cwd: Path, variables: Mapping[str, str]) -> Ended:
        assert self._server.stdin
        assert self._server.stdout
        with tempfile.NamedTemporaryFile("r") as output, tempfile.NamedTemporaryFile("r") as errors:
            order = {"argv": arguments, "cwd": str(cwd), "env": variables, "1": output.name, "2": errors.name}
            print(json.dumps(order), file=self._server.stdin, flush=True)
            code = int(self._server.stdout.readline())
            return Ended(code, output.read(), errors.read())


def serve() -> None:
    """Fork for every order on standard input, wait for the child, print its exit code."""

    for line in sys.stdin:
        child = os.fork()
        if child == 0:
            become(json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def become(order: dict[str, object]) -> NoReturn:
    """In the child: be the command."""
    from entrypoints.cli.main import main

    code: object = 0
    try:
        for descriptor, path in ((0, os.devnull), (1, order["1"]), (2, order["2"])):
            opened = os.open(str(path), os.O_RDWR)
            os.dup2(opened, descriptor)
            os.close(opened)
        os.chdir(str(order["cwd"]))
        os.environ.clear()
        os.environ.update(order["env"])  # type: ignore[call-overload]
        sys.argv = ["opledger", *order["argv"]]  # type: ignore[misc]
        main()
    except SystemExit as ended:
        code = ended.code
    except BaseException:  # noqa: BLE001 -- a fork must not run on into its parent's code
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code if isinstance(code, int) else 0 if code is None else 1)


if __name__ == "__main__":
    serve()

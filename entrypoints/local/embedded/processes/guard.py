"""The guard: runs one server and stops it as soon as its own standard input, a pipe from the application, ends.

    guard.py --identity same --stop INT:10,QUIT:5 -- command argument...

However the application ends, kill -9 included, the pipe's other end closes with it. The guard then sends the first
signal, after its seconds the next, and at last KILL. On Linux the kernel sends the last named signal if the guard
itself is killed: then no process is left to send the others. Says the server's process id on standard output,
ends with the server's exit status. Run by path with -I -S, standard library only: ready in about 20 ms.
"""

import contextlib
import ctypes
import os
import select
import signal
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NoReturn

PR_SET_PDEATHSIG = 1
Steps = list[tuple[int, float]]


def parse(arguments: Sequence[str]) -> tuple[str, Steps, list[str]]:
    """Parses the arguments: identity, signals with their timeouts in seconds, command."""
    match arguments:
        case ["--identity", identity, "--stop", stop, "--", *command] if command:
            pairs = [step.partition(":") for step in stop.split(",")]
            return identity, [(signal.Signals[f"SIG{name}"], float(s)) for name, _, s in pairs], command
    raise SystemExit(f"usage: {__doc__}")


def main(arguments: Sequence[str]) -> int:
    """Runs the command, stops it on request, and returns its exit code."""
    identity, steps, command = parse(arguments)
    wake, wake_write = os.pipe()
    os.set_blocking(wake_write, False)
    signal.set_wakeup_fd(wake_write, warn_on_full_buffer=False)
    for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: None)
    os.umask(0o077)
    guard = os.getpid()
    child = os.fork()
    if child == 0:
        become_server(guard, identity, steps[-1][0], command)
    with contextlib.suppress(OSError):  # the application may be gone already
        os.write(sys.stdout.fileno(), f"{child}\n".encode())
    return watch(child, wake, steps)


def become_server(guard: int, identity: str, last_signal: int, command: list[str]) -> NoReturn:
    """Runs in the forked child: makes it end with the guard, then executes the command. Never returns."""
    try:
        signal.set_wakeup_fd(-1)
        for number in (signal.SIGCHLD, signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        null = os.open(os.devnull, os.O_RDONLY)
        os.dup2(null, 0)
        os.dup2(2, 1)
        if identity != "same":
            sys.path.append(str(Path(__file__).parents[4]))
            from entrypoints.local.embedded.processes import privileges

            privileges.assume(identity)  # type: ignore[arg-type]  # checked by who wrote the command line
        if sys.platform == "linux":  # after the change of identity, which would undo it
            ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, last_signal)
        if os.getppid() == guard:
            os.execvp(command[0], command)  # noqa: S606
    except BaseException as error:  # a forked child must not run on into its parent's code
        os.write(2, f"opledger guard: cannot run {command[0]}: {error}\n".encode())
    os._exit(127)


def watch(child: int, wake: int, steps: Steps) -> int:
    """Wait for the child; stop it when standard input ends or a signal asks for it. Returns the exit status."""
    readable, deadline = [0, wake], float("inf")
    plan: Iterator[tuple[int, float]] | None = None
    while True:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code
        if plan and time.monotonic() >= deadline:
            number, seconds = next(plan, (signal.SIGKILL, float("inf")))
            os.kill(child, number)  # not reaped yet, so the number is still its own
            deadline = time.monotonic() + seconds
        timeout = None if deadline == float("inf") else max(0.0, deadline - time.monotonic())
        ready, _, _ = select.select(readable, [], [], timeout)
        if asked_to_stop(ready, wake) and plan is None:
            plan, deadline, readable = iter(steps), 0.0, [wake]


def asked_to_stop(ready: list[int], wake: int) -> bool:
    """Whether a signal has come, or standard input has ended."""
    signals = os.read(wake, 4096) if wake in ready else b""
    ended = 0 in ready and not os.read(0, 4096)
    return ended or any(number != signal.SIGCHLD for number in signals)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

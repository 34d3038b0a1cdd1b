"""The embedded application as a process that is killed in every way: nothing of it is left, the next start is fine."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from domain.errors import StartupError
from entrypoints.local.embedded import data_folder
from entrypoints.local.embedded.options import Options
from entrypoints.local.embedded.up import running
from tests.support.eventually import wait_until
from tests.support.stack.commands import gone

ROOT = Path(__file__).parents[3]
SCRIPT = ROOT / "tests" / "support" / "stack" / "embedded_app.py"
PARTS = {"postgres", "temporal", "api", "worker"}


class App:
    """The application's process, its events, its descendants."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(SCRIPT), *arguments],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONPATH": str(ROOT)},
        )

    def until(self, event: str, part: str = "all") -> dict[str, Any]:
        """Read on to this event."""
        assert self.process.stdout
        seen = []
        for line in self.process.stdout:
            said: dict[str, Any] = json.loads(line)
            if (said["event"], said["part"]) == (event, part):
                return said
            seen.append(line)
        raise AssertionError(f"no {event} of {part} in:\n{''.join(seen)}")

    def descendants(self) -> list[psutil.Process]:
        return psutil.Process(self.process.pid).children(recursive=True)

    def run_json(self, place: Path) -> dict[str, Any]:
        read: dict[str, Any] = json.loads((place / "run.json").read_text())
        return read

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()

    def terminate(self) -> int:
        self.process.terminate()
        return self.process.wait(60)


def all_gone(processes: list[psutil.Process]) -> bool:
    wait_until(lambda: all(map(gone, processes)), "the end of every process")
    return True


@pytest.fixture
def start() -> Iterator[Callable[..., App]]:
    apps: list[App] = []

    def make(*arguments: object) -> App:
        apps.append(App(*map(str, arguments)))
        return apps[-1]

    yield make
    for app in apps:
        app.kill()
        if app.process.stdout:
            app.process.stdout.close()


@pytest.fixture
def place(tmp_path: Path) -> Path:
    return tmp_path / "data"


def test_killed_application_leaves_no_process(start: Callable[..., App], place: Path) -> None:
    """kill -9 of the application ends its servers, processes and guards; a start at once after it works."""
    app = start(place)
    assert app.until("ready")["pids"].keys() == PARTS
    everything = app.descendants()
    app.kill()
    again = start(place)
    again.until("ready")
    assert all_gone(everything)


def test_killed_together_with_its_guards(start: Callable[..., App], place: Path) -> None:
    """The application and all guards killed -9 at once: the kernel tells the servers."""
    app = start(place)
    ready = app.until("ready")
    everything = app.descendants()
    for pid in [app.process.pid, *ready["guards"].values()]:
        os.kill(pid, signal.SIGKILL)
    app.process.wait()
    again = start(place)
    again.until("ready")
    assert all_gone(everything)


def test_killed_part_is_started_again(start: Callable[..., App], place: Path) -> None:
    """Each part, killed -9, comes back at the same address, and run.json says so."""
    app = start(place)
    ready = app.until("ready")
    before = app.run_json(place)
    for name, pid in ready["pids"].items():
        os.kill(pid, signal.SIGKILL)
        app.until("ready", name)
    after = app.run_json(place)
    assert after["pids"].keys() == PARTS
    assert all(after["pids"][name] != ready["pids"][name] for name in PARTS)
    assert [after[key] for key in ("api_url", "database_url", "temporal_address")] == [
        before[key] for key in ("api_url", "database_url", "temporal_address")
    ]


def test_killed_guard_takes_its_server_along(start: Callable[..., App], place: Path) -> None:
    """A guard killed -9: its server ends, and both are started again."""
    app = start(place)
    ready = app.until("ready")
    for name, guard in ready["guards"].items():
        server = psutil.Process(ready["pids"][name])
        os.kill(guard, signal.SIGKILL)
        app.until("ready", name)
        assert all_gone([server])


def test_stop_leaves_nothing(start: Callable[..., App], place: Path) -> None:
    """SIGTERM: status 0, no process, no run.json, no socket folder. A terminal's Ctrl-C reaches the application
    alone: everything else is in other sessions."""
    app = start(place)
    app.until("ready")
    everything = app.descendants()
    assert os.getsid(app.process.pid) not in {os.getsid(process.pid) for process in everything}
    assert app.terminate() == 0
    assert all(map(gone, everything))
    assert not (place / "run.json").exists()
    assert not (place / "run").exists()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGKILL])
def test_ended_during_initdb(start: Callable[..., App], place: Path, number: signal.Signals) -> None:
    """Stopped or killed in the middle of the first start: no process stays, the next start works."""
    app = start(place)
    wait_until((place / "postgres.new" / "PG_VERSION").exists, "initdb", every=0.002)
    everything = app.descendants()
    app.process.send_signal(number)
    app.process.wait(60)
    again = start(place)
    again.until("ready")
    assert all_gone(everything)


def test_data_folder_in_use(start: Callable[..., App], place: Path) -> None:
    """One opledger at a time: the second says who has the folder, and reset leaves it alone."""
    app = start(place)
    app.until("starting", "postgres")
    refused = start(place).until("failed")
    assert f"is in use by another opledger (pid {app.process.pid})" in refused["detail"]
    with pytest.raises(StartupError, match="in use"):
        data_folder.reset(place)
    app.until("ready")


def test_ephemeral_folder_is_removed(start: Callable[..., App]) -> None:
    """Without a data folder a temporary one serves, and goes with the application."""
    app = start("-")
    ready = app.until("ready")
    assert Path(ready["data_dir"]).stat().st_mode & 0o777 == 0o700
    with urllib.request.urlopen(ready["api_url"] + "/readyz") as answer:
        assert b"postgresql+asyncpg://" in answer.read()
    assert app.terminate() == 0
    assert not Path(ready["data_dir"]).exists()


def given_to_the_api(ready: dict[str, Any]) -> list[str]:
    """Database URL, callback URL, callback keys."""
    with urllib.request.urlopen(ready["api_url"] + "/readyz") as answer:
        given: str = answer.read().decode()
    return given.split("\n")


def command_of(ready: dict[str, Any], part: str) -> str:
    return " ".join(psutil.Process(ready["pids"][part]).cmdline())


def test_temporal_may_call_the_api_and_nothing_else(start: Callable[..., App], place: Path) -> None:
    """The API has its own URL and the kept key, the server its address; the next run has the same key, because
    Temporal still holds the callbacks of what is open."""
    app = start(place)
    ready = app.until("ready")
    key = (place / "callback.key").read_text().strip()
    assert given_to_the_api(ready)[1:] == [ready["api_url"], key]
    assert app.run_json(place)["callback_url"] == ready["api_url"]
    address = ready["api_url"].removeprefix("http://")
    settings = command_of(ready, "temporal")
    assert f'callback.allowedAddresses=[{{"Pattern":"{address}","AllowInsecure":true}}]' in settings
    assert "history.outboundQueue.hostScheduler.maxTaskRPS=2000" in settings
    assert app.terminate() == 0
    assert given_to_the_api(start(place).until("ready"))[2] == key


def test_application_without_callbacks_makes_no_key(start: Callable[..., App], place: Path) -> None:
    """Neither the server nor the API hears of them, and no key is made."""
    app = start(place, "no-callbacks")
    ready = app.until("ready")
    assert given_to_the_api(ready)[1:] == ["", ""]
    assert "--dynamic-config-value" not in command_of(ready, "temporal")
    assert app.run_json(place)["callback_url"] is None
    assert not (place / "callback.key").exists()


def test_part_that_keeps_failing(start: Callable[..., App], place: Path) -> None:
    """The start ends with the part's name and the end of its log, and everything else is stopped."""
    app = start(place, "api-fails")
    app.until("died", "api")
    everything = app.descendants()
    failed = app.until("failed")
    assert failed["detail"].startswith("api cannot be kept running")
    assert "the stand-in fails on purpose" in failed["detail"]
    assert app.process.wait(60) == 1
    assert all_gone(everything)


async def test_taken_port_is_found_first(tmp_path: Path) -> None:
    """A taken port is an error before anything is made."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with pytest.raises(StartupError, match=f"port {port} on 127.0.0.1 is taken; choose another with --port"):
            async with running(Options(data_dir=tmp_path / "data", port=port)):
                pass
    assert os.listdir(tmp_path) == []

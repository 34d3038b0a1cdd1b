"""ExportOperations: what retention deletes was exported before, at least once, and as it was deleted."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from adapters.memory.export import MemoryExport
from application.batching.step_result import StepResult
from application.operate.export_operations import ExportOperations
from application.operate.purge_operations import RetainOperations
from application.ports.export import ExportDestination, ExportFailed
from domain.evidence.finality import Finality
from domain.operation.report import ReportKind
from domain.retention import Retention
from entrypoints.response_bodies import exported_line
from tests.support.ledger.in_memory import FakeLedger
from tests.support.pages import block

MONTH = timedelta(days=30)


async def aged(count: int) -> tuple[FakeLedger, list[UUID]]:
    """A ledger with completed operations past their retention."""
    ledger = FakeLedger(Finality.WORKFLOW)
    ids = [await ledger.submit(number) for number in range(count)]
    for _ in range(0, count, 20):
        await ledger.dispatch(20)
    for operation_id in ids:
        await ledger.report(operation_id, ReportKind.COMPLETED, result={"ok": True})
    ledger.pass_time(days=31)
    return ledger, ids


def retaining(ledger: FakeLedger, destination: ExportDestination, timeout: float = 60) -> RetainOperations:
    """Retention with an export."""
    exporter = ExportOperations(ledger.units, destination, exported_line, timeout)
    return RetainOperations(ledger.units, ledger.clock, Retention(MONTH), ledger.metrics, exporter)


def exported(destination: MemoryExport) -> list[dict[str, Any]]:
    """Returns the lines as objects."""
    return [json.loads(line) for line in destination.lines]


async def test_each_deleted_operation_is_a_line() -> None:
    """The line is as the API shows the operation, with tenant and history."""
    ledger, ids = await aged(45)
    histories = {operation_id: ledger.history(operation_id) for operation_id in ids}
    destination = MemoryExport()
    assert await retaining(ledger, destination).step(100) == StepResult(45)
    assert not ledger.rows()
    lines = exported(destination)
    assert sorted(line["operation"]["id"] for line in lines) == sorted(map(str, ids))
    for line in lines:
        assert line.keys() == {"tenant", "operation", "transitions"}
        operation = line["operation"]
        assert (line["tenant"], operation["status"], operation["result"]) == ("default", "COMPLETED", {"ok": True})
        sequences = [entry["sequence"] for entry in line["transitions"]]
        assert sequences == [entry.sequence for entry in histories[UUID(operation["id"])]]
    assert all(line.endswith(b"\n") and line.count(b"\n") == 1 for line in destination.lines)
    assert (ledger.metrics.exports, ledger.metrics.purges) == (45, 45)


async def test_the_line_of_the_page_is_one() -> None:
    """docs/retention.md."""
    shown = json.loads(block("docs/retention.md", "exported line"))
    ledger, _ = await aged(1)
    destination = MemoryExport()
    await retaining(ledger, destination).step(1)
    [line] = exported(destination)
    assert line.keys() == shown.keys()
    assert line["operation"].keys() >= shown["operation"].keys()
    assert (line["tenant"], line["operation"]["status"]) == (shown["tenant"], shown["operation"]["status"])


async def test_a_failed_export_deletes_nothing() -> None:
    """The step fails, so that its loop says why, and it is counted. The next one continues at once."""
    ledger, _ = await aged(3)
    destination = MemoryExport()
    destination.broken = True
    before = ledger.rows()
    retain = retaining(ledger, destination)
    with pytest.raises(ExportFailed, match="nothing is deleted until the export works"):
        await retain.step(9)
    assert ledger.rows() == before
    assert (ledger.metrics.failed_exports, ledger.metrics.purges) == (1, 0)
    destination.broken = False
    assert await retain.step(9) == StepResult(3)
    assert not ledger.rows()


async def test_an_export_that_hangs_fails() -> None:
    """It is cancelled, and nothing is deleted."""
    ledger, _ = await aged(1)
    cancelled = asyncio.Event()

    class Hanging:
        async def store(self, lines: AsyncIterator[bytes]) -> None:
            try:
                await asyncio.Event().wait()
            finally:
                cancelled.set()

    with pytest.raises(ExportFailed, match=r"did not end within 0.01 s"):
        await retaining(ledger, Hanging(), timeout=0.01).step(9)
    assert cancelled.is_set()
    assert ledger.rows()


async def test_an_operation_that_changes_during_the_export_is_not_deleted() -> None:
    """It is exported again when it is due: the last version is what is deleted. A kept one stays."""
    ledger, [changing, kept, other] = await aged(3)

    class Slow(MemoryExport):
        async def store(self, lines: AsyncIterator[bytes]) -> None:
            await super().store(lines)
            if len(self.lines) == 3:
                keeper = ledger.api.keep()
                for operation_id in (changing, kept):
                    await keeper.keep("default", operation_id, keep=True)
                await keeper.keep("default", changing, keep=False)

    destination = Slow()
    retain = retaining(ledger, destination)
    assert await retain.step(9) == StepResult(3)
    assert ledger.rows().keys() == {changing, kept}
    assert await retain.step(9) == StepResult(1)
    assert ledger.rows().keys() == {kept}
    operations = [line["operation"] for line in exported(destination)]
    versions = [operation["version"] for operation in operations if operation["id"] == str(changing)]
    assert len(versions) == 2
    assert versions[0] < versions[1]
    assert [operation["id"] for operation in operations].count(str(other)) == 1


async def test_a_worker_that_dies_before_the_deletion_exports_again() -> None:
    """At least once, and nothing is lost."""
    ledger, ids = await aged(2)

    class Dying(MemoryExport):
        async def store(self, lines: AsyncIterator[bytes]) -> None:
            await super().store(lines)
            if len(self.lines) == 2:
                raise asyncio.CancelledError

    destination = Dying()
    retain = retaining(ledger, destination)
    with pytest.raises(asyncio.CancelledError):
        await retain.step(9)
    assert ledger.rows().keys() == set(ids)
    assert await retain.step(9) == StepResult(2)
    assert not ledger.rows()
    assert sorted(line["operation"]["id"] for line in exported(destination)) == sorted([*map(str, ids)] * 2)

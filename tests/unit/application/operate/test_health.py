"""Health: required parts decide the status, others degrade it, and a probe never raises."""

import asyncio
import gc
from dataclasses import dataclass

import pytest

from application.operate import health
from application.operate.health import CheckHealth, Health, SharedProbe
from application.ports.engine.workflow_engine import EngineUnavailable


@dataclass
class Part:
    """A probe with a fixed result."""

    name: str
    trouble: Exception | None = None
    hangs: bool = False
    asked: int = 0

    async def check(self) -> None:
        self.asked += 1
        if self.hangs:
            await asyncio.sleep(3600)
        if self.trouble is not None:
            raise self.trouble


BAD = EngineUnavailable("it is away")


@pytest.mark.parametrize(
    ("database", "temporal", "status"),
    [
        (None, None, Health.READY),
        (None, BAD, Health.DEGRADED),
        (BAD, None, Health.UNAVAILABLE),
        (BAD, BAD, Health.UNAVAILABLE),
    ],
)
async def test_status_lists_every_part_with_its_error(
    database: Exception | None, temporal: Exception | None, status: Health
) -> None:
    """Hazard 29: every part is probed and listed, with its error."""
    report = await CheckHealth([Part("database", database)], [Part("temporal", temporal)]).check()
    assert report.status is status
    assert report.checks == {
        "database": None if database is None else "it is away",
        "temporal": None if temporal is None else "it is away",
    }


@pytest.mark.parametrize(("required", "status"), [(True, Health.UNAVAILABLE), (False, Health.DEGRADED)])
async def test_a_probe_without_answer_is_unhealthy(
    required: bool, status: Health, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hazard 29: it does not delay the response beyond the timeout."""
    monkeypatch.setattr(health, "PROBE_TIMEOUT", 0.05)
    silent, well = [Part("silent", hangs=True)], [Part("well")]
    async with asyncio.timeout(10):
        report = await CheckHealth(silent if required else well, well if required else silent).check()
    assert (report.status, report.checks) == (status, {"silent": "no answer within 0.05 s", "well": None})


async def test_a_probe_with_an_unexpected_error_is_unhealthy() -> None:
    """Hazard 29: the check itself never raises."""
    report = await CheckHealth([Part("odd", OSError("too many open files"))], []).check()
    assert report.status is Health.UNAVAILABLE
    assert "OSError" in (report.checks["odd"] or "")


async def test_a_change_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    """Not at every probe: when an error begins, when it changes, and when it ends."""
    part = Part("database")
    check = CheckHealth([part], []).check
    with caplog.at_level("INFO"):
        for trouble in (None, None, BAD, BAD, EngineUnavailable("it has gone"), None, None):
            part.trouble = trouble
            await check()
    records = [record for record in caplog.records if record.name == CheckHealth.__module__]
    assert [(record.levelname, record.getMessage()) for record in records] == [
        ("WARNING", "check of database failed: it is away"),
        ("WARNING", "check of database failed: it has gone"),
        ("INFO", "check of database succeeds again"),
    ]


async def test_concurrent_requests_share_one_check() -> None:
    """Also those shortly after; then the parts are probed again."""
    part = Part("database")
    check = CheckHealth([probe := SharedProbe(part, max_age=3600)], []).check
    reports = await asyncio.gather(*(check() for _ in range(20)))
    assert ({report.status for report in reports}, part.asked) == ({Health.READY}, 1)
    part.trouble = BAD
    assert (await check()).status is Health.READY
    probe._checking._started_at -= 3600
    for _ in range(2):
        assert (await check()).checks == {"database": "it is away"}
    assert part.asked == 2


async def test_an_error_of_a_check_without_caller_is_not_logged(monkeypatch: pytest.MonkeyPatch) -> None:
    """All callers have been cancelled."""
    monkeypatch.setattr(health, "PROBE_TIMEOUT", 0.05)
    loop, left = asyncio.get_running_loop(), list[object]()
    gc.collect()  # what other tests have left in this loop
    loop.set_exception_handler(lambda _, context: left.append(context))
    try:
        await CheckHealth([SharedProbe(Part("database", hangs=True), max_age=0)], []).check()
        await asyncio.sleep(0.1)
        gc.collect()
    finally:
        loop.set_exception_handler(None)
    assert left == []


async def test_a_shared_check_does_not_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its timeout is that of the first caller; the next caller starts a new one."""
    monkeypatch.setattr(health, "PROBE_TIMEOUT", 0.05)
    part = Part("database", hangs=True)
    check = CheckHealth([SharedProbe(part, max_age=0)], []).check
    for times in (1, 2):
        reports = await asyncio.gather(check(), check())
        assert [report.checks for report in reports] == [{"database": "no answer within 0.05 s"}] * 2
        assert part.asked == times
        await asyncio.sleep(0.1)  # the callers may time out just before the check does

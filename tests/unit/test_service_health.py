"""Health: what is required decides, what is not degrades, and nothing that a probe does is an exception."""

import asyncio
from dataclasses import dataclass

import pytest

from application.ports.workflow_engine import EngineUnavailable
from application.services import health
from application.services.health import CheckHealth, Health


@dataclass
class Part:
    """A probe that is well, or not."""

    name: str
    trouble: Exception | None = None
    hangs: bool = False

    async def check(self) -> None:
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
async def test_status(database: Exception | None, temporal: Exception | None, status: Health) -> None:
    """Hazard 29: every part is asked and named, with the words of what is wrong."""
    report = await CheckHealth([Part("database", database)], [Part("temporal", temporal)]).check()
    assert report.status is status
    assert report.checks == {
        "database": None if database is None else "it is away",
        "temporal": None if temporal is None else "it is away",
    }


@pytest.mark.parametrize(("required", "status"), [(True, Health.UNAVAILABLE), (False, Health.DEGRADED)])
async def test_silence_is_not_well(required: bool, status: Health, monkeypatch: pytest.MonkeyPatch) -> None:
    """Hazard 29: what does not answer in time is not well, and holds the answer about the others no longer."""
    monkeypatch.setattr(health, "PATIENCE", 0.05)
    silent, well = [Part("silent", hangs=True)], [Part("well")]
    async with asyncio.timeout(10):
        report = await CheckHealth(silent if required else well, well if required else silent).check()
    assert (report.status, report.checks) == (status, {"silent": "no answer within 0.05 s", "well": None})


async def test_unexpected_error_is_not_well() -> None:
    """Hazard 29: a probe with a bug, or an error that nobody foresaw, is reported; the check never raises."""
    report = await CheckHealth([Part("odd", OSError("too many open files"))], []).check()
    assert report.status is Health.UNAVAILABLE
    assert "OSError" in (report.checks["odd"] or "")

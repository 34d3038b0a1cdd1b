"""Checks the health of the service and its dependencies."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from application.batching.single_flight import SingleFlight
from application.ports.monitoring.probe import Probe
from domain.errors import OpledgerError

_log = logging.getLogger(__name__)
PROBE_TIMEOUT = 2.0
"""Seconds after which a dependency that does not answer counts as failed."""
PROBE_MAX_AGE = 1.0
"""Seconds for which a probe's answer is reused."""


class Health(StrEnum):
    """Health of the service."""

    READY = "ready"
    DEGRADED = "degraded"
    """Reads and submissions work; another part fails."""
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class HealthReport:
    """Health of the service and of each part: None if it is healthy, else the error."""

    status: Health
    checks: dict[str, str | None]


class SharedProbe:
    """Shares each check among concurrent callers, and for a second: health needs no credentials."""

    def __init__(self, probe: Probe, max_age: float = PROBE_MAX_AGE) -> None:
        self.name = probe.name
        self._probe = probe
        self._checking = SingleFlight(self._check, max_age=max_age)

    async def check(self) -> None:
        """Raises what the probe raises, or raised."""
        await self._checking.get()

    async def _check(self) -> None:
        async with asyncio.timeout(PROBE_TIMEOUT):
            await self._probe.check()


class CheckHealth:
    """Runs the probes. A failed required probe makes the service unavailable, another one degrades it. Changes are
    logged."""

    def __init__(self, required: Sequence[Probe], optional: Sequence[Probe]) -> None:
        self._required = required
        self._optional = optional
        self._last: dict[str, str | None] = {}

    async def check(self) -> HealthReport:
        """Runs all probes concurrently. Raises nothing, and takes about PROBE_TIMEOUT at most."""
        probes = [*self._required, *self._optional]
        found = await asyncio.gather(*(_ask(probe) for probe in probes))
        checks = {probe.name: words for probe, words in zip(probes, found, strict=True)}
        self._tell(checks)
        if any(checks[probe.name] for probe in self._required):
            return HealthReport(Health.UNAVAILABLE, checks)
        degraded = any(checks.values())
        return HealthReport(Health.DEGRADED if degraded else Health.READY, checks)

    def _tell(self, checks: dict[str, str | None]) -> None:
        last, self._last = self._last, checks
        for name, words in checks.items():
            if words is not None and words != last.get(name):
                _log.warning("check of %s failed: %s", name, words)
            elif words is None and last.get(name) is not None:
                _log.info("check of %s succeeds again", name)


async def _ask(probe: Probe) -> str | None:
    try:
        async with asyncio.timeout(PROBE_TIMEOUT):
            await probe.check()
    except TimeoutError:
        return f"no answer within {PROBE_TIMEOUT:g} s"
    except OpledgerError as error:
        return str(error)
    except Exception as error:
        _log.exception("check of %s raised an unexpected error", probe.name)
        return f"the check itself failed ({type(error).__name__}); the log has more"
    return None

"""Whether the service can do its work."""

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from application.batching.single_flight import SingleFlight
from application.ports.probe import Probe
from domain.errors import OpledgerError

_log = logging.getLogger(__name__)
PROBE_TIMEOUT = 2.0
"""Seconds after which a dependency that does not answer counts as failed."""
PROBE_MAX_AGE = 1.0
"""Seconds for which a probe's answer is reused."""


class Health(StrEnum):
    """How the whole stands."""

    READY = "ready"
    DEGRADED = "degraded"
    """Reads and submissions work; something else does not."""
    UNAVAILABLE = "unavailable"


@dataclass(frozen=True, slots=True)
class HealthReport:
    """How the whole stands, and each part: None where it is well, else what is wrong."""

    status: Health
    checks: dict[str, str | None]


class SharedProbe:
    """Checks once for all who ask at the same time, and within a second: nobody has to show credentials to ask."""

    def __init__(self, probe: Probe, max_age: float = PROBE_MAX_AGE) -> None:
        self.name = probe.name
        self._probe = probe
        self._checking = SingleFlight(self._check, max_age=max_age)

    async def check(self) -> None:
        """As the probe says, or said."""
        await self._checking.get()

    async def _check(self) -> None:
        async with asyncio.timeout(PROBE_TIMEOUT):
            await self._probe.check()


class CheckHealth:
    """Asks the probes. A required one decides; any other degrades. What is wrong is logged when that changes."""

    def __init__(self, required: Sequence[Probe], optional: Sequence[Probe]) -> None:
        self._required = required
        self._optional = optional
        self._last: dict[str, str | None] = {}

    async def check(self) -> HealthReport:
        """Ask everything at once; never raises, never takes much longer than PROBE_TIMEOUT."""
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
                _log.warning("%s is not well: %s", name, words)
            elif words is None and last.get(name) is not None:
                _log.info("%s is well again", name)


async def _ask(probe: Probe) -> str | None:
    try:
        async with asyncio.timeout(PROBE_TIMEOUT):
            await probe.check()
    except TimeoutError:
        return f"no answer within {PROBE_TIMEOUT:g} s"
    except OpledgerError as error:
        return str(error)
    except Exception as error:
        _log.exception("the check of %s failed in a way that nobody expected", probe.name)
        return f"the check itself failed ({type(error).__name__}); the log has more"
    return None

"""The parts of the service, and whether each of them works."""

import asyncio
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar, Final

from application.operate.health import HealthReport
from application.operate.worker_presence import ALIVE_FOR
from application.ports.monitoring.drift_report import DriftReport
from application.ports.storage.unit_of_work import DatabaseUnavailable
from entrypoints.http.services import HttpServices
from entrypoints.release import release_version
from entrypoints.ui.live.view import Source, View
from entrypoints.ui.rendering.times import duration

HEALTH_TIMEOUT = 0.2
"""Seconds for which the page Now waits for the checks. The page of the health waits for all."""
_NAMES: Final[Mapping[str, str]] = {
    "database": "Database",
    "migrations": "Schema",
    "temporal": "Temporal",
    "process": "This process",
}
_BROKEN: Final[Mapping[str, str]] = {
    "database": "It cannot be reached. Reads and submissions fail.",
    "migrations": "The database does not have the schema of this version.",
    "temporal": "It cannot be reached. Reads and submissions work; nothing is started or checked.",
    "process": "It is shutting down.",
}
_COMMANDS: Final[Mapping[str, str]] = {"migrations": "opledger migrate", "temporal": "opledger doctor"}


@dataclass(frozen=True, slots=True)
class Part:
    """A part of the service."""

    name: str
    works: bool
    words: str
    command: str | None = None
    """What to run next."""
    error: str | None = None
    """The message of the failed check, which may name hosts."""


_SLOW: Final = Part("Checks", works=False, words="A check takes long. The page Health waits for it.")


@dataclass(frozen=True)
class HealthView(View):
    """`errors`: whether the messages of failed checks are shown: they may name hosts."""

    errors: bool
    template: ClassVar[str] = "live/health.html"
    follows_changes: ClassVar[bool] = False
    refresh: ClassVar[float] = 5.0

    async def read(self, source: Source) -> Mapping[str, Any]:
        report, drift = await asyncio.gather(source.services.health.check(), drift_of(source))
        parts = parts_of(source.services, report, drift)
        return {
            "parts": parts,
            "headline": headline(parts),
            "readiness": report.status,
            "drift": drift,
            "errors": self.errors,
            "version": release_version(),
        }


async def health_soon(source: Source) -> HealthReport | None:
    """Returns the health. None: a check takes longer than HEALTH_TIMEOUT, as when Temporal hangs."""
    try:
        async with asyncio.timeout(HEALTH_TIMEOUT):
            return await source.services.health.check()
    except TimeoutError:
        return None


async def drift_of(source: Source) -> DriftReport | None:
    """Returns how far the workers are. None: the database cannot tell."""
    try:
        return await source.services.drift.read()
    except DatabaseUnavailable:
        return None


def parts_of(services: HttpServices, report: HealthReport | None, drift: DriftReport | None) -> Sequence[Part]:
    """Returns every part. `report`: None: a check takes long. `drift`: None: the database cannot tell."""
    parts = [_SLOW] if report is None else [_checked(name, error) for name, error in report.checks.items()]
    if drift is not None:
        parts += [_workers(drift), _reconciliation(drift, services.reconcile_every)]
    callbacks = services.callback_keys is not None
    channel = "On: Temporal calls the ledger when a workflow closes." if callbacks else "Off: the ledger asks Temporal."
    return [*parts, Part("Callbacks", works=True, words=channel)]


def headline(parts: Sequence[Part]) -> str:
    """Returns one sentence on all parts."""
    broken = [part.name for part in parts if not part.works]
    if not broken:
        return "Everything is up."
    return f"Look at: {', '.join(broken)}."


def _checked(name: str, error: str | None) -> Part:
    shown = _NAMES.get(name, name.capitalize())
    if error is None:
        return Part(shown, works=True, words="Works.")
    message = _BROKEN.get(name, "The check fails.")
    return Part(shown, works=False, words=message, command=_COMMANDS.get(name), error=error)


def _workers(drift: DriftReport) -> Part:
    if drift.worker_age is None:
        return Part("Workers", works=False, words="None has run yet.", command="opledger worker")
    if drift.worker_age > ALIVE_FOR:
        words = f"None has run for {duration(drift.worker_age)}. Nothing is started or checked."
        return Part("Workers", works=False, words=words, command="opledger worker")
    return Part("Workers", works=True, words="At least one runs.")


def _reconciliation(drift: DriftReport, every: timedelta) -> Part:
    if drift.watermark_age is None:
        return Part("Reconciliation", works=True, words=f"No pass has ended yet. One begins every {duration(every)}.")
    words = f"The last complete pass began {duration(drift.watermark_age)} ago."
    if drift.pass_is_missing(every):
        words = f"{words} One should begin every {duration(every)}."
        return Part("Reconciliation", works=False, words=words, command="opledger doctor")
    return Part("Reconciliation", works=True, words=words)

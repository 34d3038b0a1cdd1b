"""Delivers reports in the background of the process, so that a slow ledger holds up no workflow."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace

from opledger._http import outage
from opledger._http.http_ledger import HttpLedger
from opledger._tracking.steps import merged
from opledger.errors import ApiKeyRefused, LedgerUnavailable
from opledger.wire import StatusUpdate, UpdateKind

MAX_WAITING = 1_000
"""Operations with reports that wait for their delivery. Reports of further ones are lost."""
CONCURRENCY = 16
"""Requests at the same time."""
FINAL_TIMEOUT = 1.0
"""Time in seconds that a worker waits at its end for the deliveries."""
_ENDED = "the worker has ended"
_log = logging.getLogger(__name__)


class BackgroundReports:
    """The reports of an operation arrive one after the other. Of its progress, the newest replaces what still waits,
    other steps excepted. A report is lost after the report timeout, and every lost report is logged."""

    def __init__(self, ledger: HttpLedger, report_timeout: float) -> None:
        """`report_timeout`: seconds from a report to its loss."""
        self._ledger = ledger
        self._report_timeout = report_timeout
        self._by_loop: dict[asyncio.AbstractEventLoop, _Deliveries] = {}

    @contextlib.asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Delivers reports of this event loop, until its last user leaves."""
        loop = asyncio.get_running_loop()
        deliveries = self._by_loop.setdefault(loop, _Deliveries(self._ledger, self._report_timeout))
        deliveries.users += 1
        async with self._ledger.open():
            try:
                yield
            finally:
                deliveries.users -= 1
                if not deliveries.users:
                    del self._by_loop[loop]
                    await deliveries.close()

    async def send(self, update: StatusUpdate, *, hold: float) -> None:
        """Delivers the report. Waits for that at most `hold` seconds, and not while the ledger answers late."""
        deliveries = self._by_loop.get(asyncio.get_running_loop())
        if deliveries is None:
            _log_lost(update, _ENDED)
            return
        waits = not (deliveries.are_late or self._ledger.outage.is_on)
        delivered = deliveries.add(update)
        if delivered is None or not waits:
            return
        done, _ = await asyncio.wait([delivered], timeout=hold)
        if not done:
            deliveries.are_late = True


@dataclass(frozen=True)
class _Report:
    update: StatusUpdate
    deadline: float
    """Time of the event loop."""
    delivered: asyncio.Future[None]
    """Also done if the report is lost."""

    def resolve(self) -> None:
        """The report has arrived, or is lost."""
        if not self.delivered.done():
            self.delivered.set_result(None)


class _Deliveries:
    """Deliveries of one event loop."""

    def __init__(self, ledger: HttpLedger, report_timeout: float) -> None:
        self.users = 0
        self.are_late = False
        """Whether a report was held in vain, and none has arrived in time since."""
        self._ledger = ledger
        self._report_timeout = report_timeout
        self._gate = asyncio.Semaphore(CONCURRENCY)
        self._waiting: dict[str, dict[UpdateKind, _Report]] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    def add(self, update: StatusUpdate) -> asyncio.Future[None] | None:
        """Adds a report; None if too many operations have reports that wait."""
        operation_id = update.operation_id
        if operation_id not in self._waiting:
            if len(self._waiting) >= MAX_WAITING:
                _log_lost(update, f"reports of {MAX_WAITING} other operations wait for the ledger")
                return None
            self._waiting[operation_id] = {}
            self._tasks[operation_id] = asyncio.create_task(self._deliver(operation_id))
        loop, waiting = asyncio.get_running_loop(), self._waiting[operation_id]
        replaced = waiting.get(update.kind)
        delivered = loop.create_future() if replaced is None else replaced.delivered
        if replaced is not None and replaced.update.progress is not None and update.progress is not None:
            update = replace(update, progress=merged(replaced.update.progress, update.progress))
        waiting[update.kind] = _Report(update, loop.time() + self._report_timeout, delivered)
        return delivered

    async def _deliver(self, operation_id: str) -> None:
        waiting = self._waiting[operation_id]
        try:
            while waiting:
                await self._send(waiting.pop(next(iter(waiting))))
        finally:
            self._end(operation_id)

    async def _send(self, report: _Report) -> None:
        begins = asyncio.get_running_loop().time()
        try:
            if begins >= report.deadline:
                raise LedgerUnavailable("other reports wait for the ledger too")
            await self._ledger.report(report.update, within=report.deadline - begins, gate=self._gate)
            if asyncio.get_running_loop().time() - begins <= outage.HOLD:
                self.are_late = False
        except ApiKeyRefused:
            pass  # logged where the answer arrived
        except Exception as error:  # noqa: BLE001 - an invalid report must not stop the next ones
            _log_lost(report.update, error)
        except asyncio.CancelledError:
            _log_lost(report.update, _ENDED)
            raise
        finally:
            report.resolve()

    def _end(self, operation_id: str) -> None:
        """Ends the deliveries of an operation. Reports that still wait are lost."""
        self._tasks.pop(operation_id, None)
        for report in self._waiting.pop(operation_id, {}).values():
            _log_lost(report.update, _ENDED)
            report.resolve()

    async def close(self) -> None:
        """Ends the deliveries, after a moment if the ledger answers."""
        tasks = [*self._tasks.values()]
        try:
            if tasks and not (self.are_late or self._ledger.outage.is_on):
                await asyncio.wait(tasks, timeout=FINAL_TIMEOUT)
        finally:
            for task in tasks:
                task.cancel()
            try:
                await asyncio.gather(*tasks, return_exceptions=True)
            finally:
                for operation_id in [*self._waiting]:  # of tasks that were cancelled before their first step
                    self._end(operation_id)


def _log_lost(update: StatusUpdate, reason: object) -> None:
    _log.warning(
        "Operation %s: the report %r did not reach the ledger: %s", update.operation_id, update.kind.value, reason
    )

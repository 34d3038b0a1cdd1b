"""A ledger that records reports in memory: the real activity in a real worker, without a database."""

import asyncio
from collections import defaultdict

from temporalio import activity
from temporalio.exceptions import ApplicationError

from opledger import UPDATE_ACTIVITY, StatusUpdate, UpdateKind, UpdateOutcome


class RecordingLedger:
    """Records reports by operation. It can fail, hang or hold the reports of an operation."""

    def __init__(self) -> None:
        self._received: defaultdict[str, list[StatusUpdate]] = defaultdict(list)
        self._recorded: defaultdict[str, list[StatusUpdate]] = defaultdict(list)
        self._held: dict[str, tuple[UpdateKind, asyncio.Event]] = {}
        self.failing: set[str] = set()
        self.hanging: set[str] = set()

    @activity.defn(name=UPDATE_ACTIVITY)
    async def update_operation_status(self, update: StatusUpdate) -> UpdateOutcome:
        """Records a report."""
        operation_id = update.operation_id
        self._received[operation_id].append(update)
        if operation_id in self.failing:
            raise ApplicationError("the ledger is down")
        if operation_id in self.hanging:
            await asyncio.sleep(3600)
        kind, released = self._held.get(operation_id, (None, None))
        if released is not None and update.kind == kind:
            await released.wait()
        if update not in self._recorded[operation_id]:  # a repeat, whose first answer came too late
            self._recorded[operation_id].append(update)
        return UpdateOutcome.RECORDED

    def hold(self, operation_id: str, kind: UpdateKind) -> asyncio.Event:
        """Holds reports of this kind until the event is set."""
        self._held[operation_id] = (kind, asyncio.Event())
        return self._held[operation_id][1]

    def received(self, operation_id: str) -> list[UpdateKind]:
        """Kinds of all reports that arrived, recorded or not."""
        return [update.kind for update in self._received[operation_id]]

    def kinds(self, operation_id: str) -> list[UpdateKind]:
        """Kinds of the recorded reports, in order."""
        return [update.kind for update in self._recorded[operation_id]]

    def ends(self, operation_id: str) -> list[UpdateKind]:
        """Kinds of the recorded reports without STARTED, for which no workflow waits: it may arrive later or never."""
        return [kind for kind in self.kinds(operation_id) if kind not in (UpdateKind.STARTED, UpdateKind.PROGRESS)]

    def updates(self, operation_id: str) -> list[StatusUpdate]:
        """The recorded reports, in order."""
        return list(self._recorded[operation_id])

    def outcome(self, operation_id: str) -> StatusUpdate:
        """The only recorded report of an outcome."""
        (update,) = (
            update
            for update in self._recorded[operation_id]
            if update.kind not in (UpdateKind.STARTED, UpdateKind.PROGRESS)
        )
        return update

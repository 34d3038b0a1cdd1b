"""Workflows with handlers of every kind, or with unfinished tasks, at their end."""

import asyncio
from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.common import RawValue

from opledger import track_operation_status
from tests.support.temporal.activities import pause
from tests.workflow.item_queue import Queue
from tests.workflow.workflows import FOR_EVER, UNHEARD_QUEUE

unheard = track_operation_status(ledger_task_queue=UNHEARD_QUEUE, report_timeout=timedelta(seconds=2))


@workflow.defn
class TrackedQueue(Queue):
    """With the decorator."""

    @workflow.run
    @track_operation_status
    async def run(self, enough: int) -> list[int]:
        """Process the queue."""
        return await self.process(enough)


@workflow.defn
class UnheardQueue(Queue):
    """With the decorator, and a ledger without a running worker."""

    @workflow.run
    @unheard
    async def run(self, enough: int) -> list[int]:
        """Process the queue."""
        return await self.process(enough)


def take_nothing() -> None:
    """A handler without arguments."""


def take_anything(name: str, args: Sequence[RawValue]) -> None:
    """A dynamic handler."""


@workflow.defn
class SetsHandler:
    """Sets a handler at run time, and may remove it again."""

    @workflow.run
    @track_operation_status
    async def run(self, kind: str, removes: bool) -> str:
        """Sets the handler of this kind."""
        self._set(kind, take_anything if "dynamic" in kind else take_nothing)
        await pause()
        if removes:
            self._set(kind, None)
        return kind

    def _set(self, kind: str, handler: Any) -> None:
        match kind:
            case "signal":
                workflow.set_signal_handler("later", handler)
            case "dynamic signal":
                workflow.set_dynamic_signal_handler(handler)
            case "update":
                workflow.set_update_handler("later", handler)
            case "dynamic update":
                workflow.set_dynamic_update_handler(handler)
            case "query":
                workflow.set_query_handler("later", handler)


@workflow.defn
class SignalHandler:
    """Has a signal handler in its class, and removes it before the end. Without tracking, no later signal would be lost
    either."""

    @workflow.run
    @track_operation_status
    async def run(self) -> None:
        """Removes the handler."""
        await pause()
        workflow.set_signal_handler("add", None)

    @workflow.signal
    def add(self) -> None:
        """Do nothing."""


@workflow.defn
class DynamicSignalHandler:
    """Takes any signal."""

    @workflow.run
    @track_operation_status
    async def run(self) -> None:
        """Wait a little."""
        await pause()

    @workflow.signal(dynamic=True)
    def any_signal(self, name: str, args: Sequence[RawValue]) -> None:
        """Do nothing."""


@workflow.defn
class UpdateHandler:
    """Has an update handler."""

    @workflow.run
    @track_operation_status
    async def run(self) -> None:
        """Wait a little."""
        await pause()

    @workflow.update
    def put(self) -> None:
        """Do nothing."""


@workflow.defn
class DynamicUpdateHandler:
    """Takes any update."""

    @workflow.run
    @track_operation_status
    async def run(self) -> None:
        """Wait a little."""
        await pause()

    @workflow.update(dynamic=True)
    def any_update(self, name: str, args: Sequence[RawValue]) -> None:
        """Do nothing."""


@workflow.defn
class InheritedHandler(UpdateHandler):
    """Has the handler of its base class."""

    @workflow.run
    @track_operation_status
    async def run(self) -> None:
        """Wait a little."""
        await pause()


@workflow.defn
class QueryHandler:
    """Has only a query handler, which changes nothing."""

    @workflow.run
    @track_operation_status
    async def run(self) -> None:
        """Wait a little."""
        await pause()

    @workflow.query
    def answer(self) -> int:
        """A number."""
        return 42


@workflow.defn
class LeavesWorkBehind:
    """Ends with an unfinished task, which ends with it."""

    @workflow.run
    @track_operation_status
    async def run(self) -> None:
        """Starts the task, and waits a little."""
        self._task = asyncio.create_task(workflow.sleep(FOR_EVER))
        await pause()


@workflow.defn
class Insists:
    """Always reports its outcome (`report_outcome=True`)."""

    @workflow.run
    @track_operation_status(report_outcome=True)
    async def run(self) -> None:
        """Wait a little."""
        await pause()

    @workflow.signal
    def add(self) -> None:
        """Do nothing."""


@workflow.defn
class Abstains:
    """Never reports its outcome (`report_outcome=False`)."""

    @workflow.run
    @track_operation_status(report_outcome=False)
    async def run(self) -> None:
        """Wait a little."""
        await pause()


ENDING = [
    *(TrackedQueue, UnheardQueue, SetsHandler, SignalHandler, DynamicSignalHandler, UpdateHandler),
    *(DynamicUpdateHandler, InheritedHandler, QueryHandler, LeavesWorkBehind, Insists, Abstains),
]

"""Workflows that report progress in unusual places, or continue as new with other attributes."""

import asyncio
from typing import Any

from temporalio import workflow
from temporalio.common import SearchAttributeKey, SearchAttributePair, TypedSearchAttributes

from opledger import OPERATION_UUID, report_progress, track_operation_status
from tests.support.temporal.activities import pause
from tests.workflow.plugin.plain import ContinuesFirst

OTHER = SearchAttributeKey.for_keyword("Team")
PARALLEL = 10


@workflow.defn
class AsksForProgress:
    """Reports progress in a query handler and in an update validator, where a workflow must not change its state."""

    def __init__(self) -> None:
        self._done = False

    @workflow.run
    @track_operation_status
    async def run(self) -> str:
        """Waits for the end, then reports progress."""
        await workflow.wait_condition(lambda: self._done)
        await report_progress(0.9, "from the body")
        return "done"

    @workflow.query
    async def ask(self) -> str:
        """Reports, and answers."""
        await report_progress(0.1, "from a query")
        return "answer"

    @workflow.update
    async def finish(self) -> None:
        """End it."""
        self._done = True

    @finish.validator
    def check_finish(self) -> None:
        """Reports in the validator."""
        with_nothing_to_wait_for = report_progress(0.2, "from a validator")
        try:
            with_nothing_to_wait_for.send(None)
        except StopIteration:
            return
        raise AssertionError("the report waits")


@workflow.defn
class InParallel:
    """Runs activities in parallel, and reports the number of completed ones after each."""

    def __init__(self) -> None:
        self._done = 0
        self._finished = False

    @workflow.run
    @track_operation_status
    async def run(self, waits: bool) -> int:
        """Runs all activities, and optionally waits for the signal."""
        await asyncio.gather(*(self._step() for _ in range(PARALLEL)))
        await workflow.wait_condition(lambda: self._finished or not waits)
        return self._done

    async def _step(self) -> None:
        await pause()
        self._done += 1
        await report_progress(self._done / PARALLEL, f"{self._done} of {PARALLEL}")

    @workflow.signal
    def finish(self) -> None:
        """End it."""
        self._finished = True


@workflow.defn
class HasSteps:
    """Reports steps, after each other and at the same time."""

    def __init__(self) -> None:
        self._finished = False

    @workflow.run
    @track_operation_status
    async def run(self, number: int) -> int:
        """Goes through the steps, then names further ones at once."""
        await report_progress(0.1, "begun")
        await report_progress(step="prepare")
        await report_progress(0.5, "half", step="prepare")
        await pause()
        await asyncio.gather(*(self._copy(disk) for disk in range(2)))
        await report_progress(step="verify", state="failed", message="a checksum differs")
        await asyncio.gather(*(report_progress(step=f"step {n}") for n in range(number)))
        await report_progress(0.9, "nearly", state="completed")
        await report_progress(step="", message=None)
        await report_progress(float("nan"), step="last", state="done")
        await workflow.wait_condition(lambda: self._finished)
        return number

    async def _copy(self, disk: int) -> None:
        name = f"copy disk {disk}"
        await report_progress(step=name, state="running")
        await pause()
        await report_progress(step=name, state="completed")

    @workflow.query
    async def ask(self) -> str:
        """Names a step where a workflow must not act."""
        await report_progress(step="asked")
        return "answer"

    @workflow.signal
    def finish(self) -> None:
        """End it."""
        self._finished = True


@workflow.defn
class Works:
    """Reports as many times, as progress or as steps that follow one another."""

    @workflow.run
    @track_operation_status
    async def run(self, times: int, named: bool) -> int:
        """The words are the same, the names come on top."""
        for part in range(times):
            await report_progress(part / times, f"part {part}", step=f"part {part}" if named else None)
        return times


@workflow.defn
class Drops:
    """Continues as new with its own search attributes and memo, or after removing the ledger's."""

    @workflow.run
    @track_operation_status
    async def run(self, how: str, left: int) -> dict[str, Any]:
        """Counts down, and returns the attributes of the last run."""
        await pause()
        if left:
            self._continue(how, left - 1)
        info = workflow.info()
        own = workflow.memo_value("own", None)
        return {"uuid": info.typed_search_attributes.get(OPERATION_UUID), "own": own}

    def _continue(self, how: str, left: int) -> None:
        other = TypedSearchAttributes([SearchAttributePair(OTHER, "x")])
        match how:
            case "attributes":
                workflow.continue_as_new(args=[how, left], search_attributes=other)
            case "no attributes":
                workflow.continue_as_new(args=[how, left], search_attributes=TypedSearchAttributes.empty)
            case "attributes of the old kind":
                workflow.continue_as_new(args=[how, left], search_attributes={OTHER.name: ["x"]})
            case "memo":
                workflow.continue_as_new(args=[how, left], memo={"own": left})
            case "removed":
                workflow.upsert_search_attributes([OPERATION_UUID.value_unset()])
                workflow.continue_as_new(args=[how, left])
            case _:
                workflow.continue_as_new(args=[how, left], search_attributes=other, memo={"own": left})


@workflow.defn
class DropsInHandler:
    """Continues as new in a signal handler, outside of its run method."""

    def __init__(self) -> None:
        self._begun = False
        self._left = 0

    @workflow.run
    @track_operation_status
    async def run(self, left: int) -> int:
        """Waits for the signal in every run except the last."""
        self._begun, self._left = True, left
        await workflow.wait_condition(lambda: left == 0)
        return left

    @workflow.signal
    async def go_on(self) -> None:
        """Continues as new without the attributes of the run. A signal can arrive before the run method starts."""
        await workflow.wait_condition(lambda: self._begun)
        other = TypedSearchAttributes([SearchAttributePair(OTHER, "x")])
        workflow.continue_as_new(self._left - 1, search_attributes=other, memo={"own": 1})


@workflow.defn
class DecoratedContinuesFirst(ContinuesFirst):
    """Continues as new in a signal handler, without waiting for its run method, which has the decorator."""

    @workflow.run
    @track_operation_status
    async def run(self, left: int) -> str | None:
        """Returns the operation's id in the last run."""
        await workflow.wait_condition(lambda: left == 0)
        return workflow.info().typed_search_attributes.get(OPERATION_UUID)


REPORTING = [AsksForProgress, InParallel, HasSteps, Works, Drops, DropsInHandler]

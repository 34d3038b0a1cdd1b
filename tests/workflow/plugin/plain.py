"""Workflows without the decorator, as a team has them."""

import asyncio
from collections.abc import Sequence
from typing import Any

from temporalio import activity, workflow
from temporalio.common import RawValue, SearchAttributeKey, SearchAttributePair, TypedSearchAttributes
from temporalio.exceptions import ApplicationError

from opledger import OPERATION_UUID, report_progress
from tests.support.temporal.activities import SHORT, pause, tidy_up
from tests.workflow.item_queue import Queue

OTHER = SearchAttributeKey.for_keyword("Team")
PARALLEL = 10


@activity.defn
async def count_to(number: int) -> int:
    """Reports progress in an activity: one after another, then all at once."""
    for step in range(1, number):
        await report_progress(step / number, f"{step} of {number}")
    await asyncio.gather(*(report_progress(1 - 1 / (number + step)) for step in range(number)), report_progress(1))
    return number


@workflow.defn
class Greets:
    """Waits for an activity, and reports progress."""

    @workflow.run
    async def run(self, name: str) -> str:
        """Greet."""
        await pause()
        await report_progress(0.5, f"greeting {name}")
        return f"hello {name}"


@workflow.defn
class Immediate:
    """Ends without waiting."""

    @workflow.run
    async def run(self) -> str:
        """Return."""
        return "at once"


@workflow.defn
class PlainQueue(Queue):
    """Processes signals and updates."""

    @workflow.run
    async def run(self, enough: int) -> list[int]:
        """Process the queue."""
        return await self.process(enough)


@workflow.defn
class Collects:
    """Collects the words that its handlers receive, and ends after `bye`."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    @workflow.run
    async def run(self) -> list[str]:
        """Wait for `bye`."""
        self.heard.append("run")
        await workflow.wait_condition(lambda: "bye" in self.heard and workflow.all_handlers_finished())
        return self.heard

    @workflow.signal
    async def tell(self, word: str) -> None:
        """Receives a word, and reports it."""
        self.heard.append(word)
        await report_progress(message=word)

    @workflow.update
    async def ask(self, word: str) -> int:
        """Receives a word, and returns the number of earlier ones."""
        self.heard.append(word)
        await report_progress(message=word)
        return len(self.heard) - 1

    @ask.validator
    def check_finish(self, word: str) -> None:
        """Reports in the validator, where a workflow may not act."""
        report = report_progress(message=f"validating {word}")
        try:
            report.send(None)
        except StopIteration:
            return
        raise AssertionError("the report waits")

    @workflow.query
    async def words(self) -> list[str]:
        """Reports in a query."""
        await report_progress(message="from a query")
        return self.heard


@workflow.defn
class StepsInParallel:
    """Reports the number of completed steps after each of ten."""

    def __init__(self) -> None:
        self._done = 0
        self._finished = False

    @workflow.run
    async def run(self) -> int:
        """Runs all steps, and waits for the signal."""
        await asyncio.gather(*(self._step() for _ in range(PARALLEL)))
        await workflow.wait_condition(lambda: self._finished)
        return self._done

    async def _step(self) -> None:
        await pause()
        self._done += 1
        await report_progress(self._done / PARALLEL)

    @workflow.signal
    def finish(self) -> None:
        """End it."""
        self._finished = True


@workflow.defn
class Family:
    """Runs a child, and that one its own, down to the last, which waits for a signal."""

    def __init__(self) -> None:
        self._released = False

    @workflow.run
    async def run(self, generations: int) -> list[str]:
        """The workflow ids, from this one down."""
        await pause()
        own = workflow.info().workflow_id
        if not generations:
            await workflow.wait_condition(lambda: self._released)
            return [own]
        below = await workflow.execute_child_workflow(Family.run, generations - 1, id=f"{own}-child")
        return [own, *below]

    @workflow.signal
    def release(self) -> None:
        """End it."""
        self._released = True


@workflow.defn
class ContinuesOnSignal:
    """Continues as new after a signal, until the count is zero."""

    def __init__(self) -> None:
        self._goes_on = False

    @workflow.run
    async def run(self, left: int) -> int:
        """Wait for the signal."""
        await workflow.wait_condition(lambda: self._goes_on)
        if left:
            workflow.continue_as_new(left - 1)
        return left

    @workflow.signal
    def go_on(self) -> None:
        """Go on."""
        self._goes_on = True


@workflow.defn
class ParentOfOneThatContinues:
    """Its parent."""

    @workflow.run
    async def run(self) -> int:
        """Runs the child."""
        own = workflow.info().workflow_id
        return await workflow.execute_child_workflow(ContinuesOnSignal.run, 1, id=f"{own}-child")


@workflow.defn
class Continues:
    """Continues as new, with search attributes and a memo of its own."""

    @workflow.run
    async def run(self, left: int) -> dict[str, Any]:
        """Counts down, and returns what the last run has."""
        await pause()
        if left:
            other = TypedSearchAttributes([SearchAttributePair(OTHER, "x")])
            workflow.continue_as_new(left - 1, search_attributes=other, memo={"own": left})
        info = workflow.info()
        return {
            "uuid": info.typed_search_attributes.get(OPERATION_UUID),
            "own": workflow.memo_value("own", None),
            "first": info.first_execution_run_id,
        }


@workflow.defn
class ContinuesFirst:
    """Continues as new in a signal handler, without waiting for the run method."""

    @workflow.run
    async def run(self, left: int) -> str | None:
        """Returns the operation's id in the last run."""
        await workflow.wait_condition(lambda: left == 0)
        return workflow.info().typed_search_attributes.get(OPERATION_UUID)

    @workflow.signal
    async def go_on(self, left: int) -> None:
        """Continues as new without the attributes of the run."""
        other = TypedSearchAttributes([SearchAttributePair(OTHER, "x")])
        workflow.continue_as_new(left, search_attributes=other, memo={"own": 1})


@workflow.defn
class Counts:
    """Lets an activity report progress."""

    @workflow.run
    async def run(self, number: int) -> int:
        """Count."""
        return await workflow.execute_activity(count_to, number, start_to_close_timeout=SHORT)


@workflow.defn(dynamic=True)
class TakesAny:
    """Runs under any name."""

    @workflow.run
    async def run(self, arguments: Sequence[RawValue]) -> str:
        """The name."""
        await pause()
        return workflow.info().workflow_type


@workflow.defn
class Fails:
    """Fails with its own failure."""

    @workflow.run
    async def run(self) -> None:
        """Waits, reports, and fails."""
        await workflow.execute_activity(tidy_up, start_to_close_timeout=SHORT)
        await report_progress(0.5)
        raise ApplicationError("its own failure")


@workflow.defn
class Misuses:
    """Calls the plugin's activity as an ordinary one."""

    @workflow.run
    async def run(self) -> None:
        """Call it."""
        update = {"operation_id": "00000000-0000-4000-8000-000000000000", "kind": "started", "occurred_at": ""}
        await workflow.execute_activity("opledger_report", update, start_to_close_timeout=SHORT)


PLAIN: list[type] = [
    *(Greets, Immediate, PlainQueue, Collects, StepsInParallel, Family, ParentOfOneThatContinues),
    *(Continues, ContinuesFirst, ContinuesOnSignal, Counts, Fails, Misuses),
]
PLAIN_ACTIVITIES = [tidy_up, count_to]

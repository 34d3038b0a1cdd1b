"""Tracked workflows for the ledger's integration tests: on queues of their own, in the sandbox as a user's do."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError

from opledger import report_progress, track_operation_status
from tests.support.temporal.activities import SHORT, Order, Receipt, fail_deeply, pause, tidy_up, wait_for_cancellation

LEDGER_QUEUE = "ledger-under-test"
"""Of the ledger's own worker: reports are local activities there."""
TEAM_QUEUE = "team-under-test"
"""Of another team's worker, which has none of the ledger's activities."""
ONCE = RetryPolicy(maximum_attempts=1)
REPORT_TIMEOUT = timedelta(seconds=6)
"""A local attempt has 0.15 of it."""
tracked = track_operation_status(ledger_task_queue=LEDGER_QUEUE, report_timeout=REPORT_TIMEOUT)
reporting = track_operation_status(ledger_task_queue=LEDGER_QUEUE, report_timeout=REPORT_TIMEOUT, report_outcome=True)


@workflow.defn
class Echo:
    """Returns what it was given."""

    @workflow.run
    @tracked
    async def run(self, value: Any) -> Any:
        return value


@workflow.defn
class NoArgument:
    """Takes nothing, returns nothing."""

    @tracked
    @workflow.run
    async def run(self) -> None:
        await pause()


@workflow.defn
class Typed:
    """A dataclass in and out."""

    @workflow.run
    @tracked
    async def run(self, order: Order) -> Receipt:
        return Receipt(order, order.count * 1.5)


@workflow.defn
class Sleeper:
    """Sleeps until it is cancelled."""

    @workflow.run
    @tracked
    async def run(self) -> None:
        await workflow.sleep(timedelta(hours=1))


@workflow.defn
class InActivity:
    """Waits in an activity until it is cancelled."""

    @workflow.run
    @tracked
    async def run(self) -> None:
        await workflow.execute_activity(
            wait_for_cancellation,
            start_to_close_timeout=timedelta(hours=1),
            heartbeat_timeout=SHORT,
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )


@workflow.defn(name="Fixable")
class Broken:
    """Has a bug: a plain exception fails the workflow task, not the workflow."""

    @workflow.run
    @tracked
    async def run(self) -> str:
        raise ValueError("a bug")


@workflow.defn(name="Fixable")
class Fixed:
    """The same workflow without the bug."""

    @workflow.run
    @tracked
    async def run(self) -> str:
        return "fixed"


@workflow.defn
class Chain:
    """Continues as new so many times."""

    @workflow.run
    @tracked
    async def run(self, left: int) -> str:
        await pause()
        if left:
            workflow.continue_as_new(left - 1)
        return "the last run"


@workflow.defn
class SecondTimeLucky:
    """Fails on the first attempt of its retry policy."""

    @workflow.run
    @tracked
    async def run(self) -> int:
        await pause()
        if workflow.info().attempt == 1:
            raise ApplicationError("attempt 1 failed")
        return workflow.info().attempt


@workflow.defn
class FailsInActivity:
    """Fails because an activity does."""

    @workflow.run
    @tracked
    async def run(self) -> None:
        await workflow.execute_activity(fail_deeply, start_to_close_timeout=SHORT, retry_policy=ONCE)


@workflow.defn
class Waits:
    """Returns what the signal `finish` brings."""

    def __init__(self) -> None:
        self._words: list[Any] = []

    @workflow.run
    @tracked
    async def run(self) -> Any:
        await report_progress(0.5, "half way")
        await workflow.wait_condition(lambda: bool(self._words))
        return self._words[0]

    @workflow.signal
    def finish(self, word: Any) -> None:
        self._words.append(word)


@workflow.defn
class Listens:
    """Returns how many signals it has heard by the time its one activity is done, and always reports it."""

    def __init__(self) -> None:
        self._heard = 0

    @workflow.run
    @reporting
    async def run(self) -> int:
        await pause()
        return self._heard

    @workflow.signal
    def word(self) -> None:
        self._heard += 1


@workflow.defn
class Silent:
    """Reports nothing, and waits until it is ended."""

    @workflow.run
    async def run(self) -> None:
        await workflow.wait_condition(lambda: False)


@activity.defn
async def find_no_route() -> None:
    """Fails each time."""
    raise ConnectionError("no route to host")


@workflow.defn
class KeepsTrying:
    """Has an activity that keeps failing."""

    @workflow.run
    @tracked
    async def run(self) -> None:
        often = RetryPolicy(initial_interval=timedelta(milliseconds=10), backoff_coefficient=1)
        await workflow.execute_activity(find_no_route, start_to_close_timeout=SHORT, retry_policy=often)


WORKFLOWS: list[type] = [
    Silent,
    KeepsTrying,
    Echo,
    NoArgument,
    Typed,
    Sleeper,
    InActivity,
    Chain,
    SecondTimeLucky,
    FailsInActivity,
    Waits,
    Listens,
]
ACTIVITIES: list[Callable[..., Any]] = [tidy_up, fail_deeply, wait_for_cancellation, find_no_route]

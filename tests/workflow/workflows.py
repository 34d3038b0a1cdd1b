"""Tracked workflows of every kind for the tests. They run in the sandbox, like a user's workflows."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError

from opledger import report_progress, track_operation_status
from tests.support.temporal.activities import SHORT, Order, Receipt, fail_deeply, pause, tidy_up, wait_for_cancellation

ONCE = RetryPolicy(maximum_attempts=1)
FOR_EVER = timedelta(hours=1)
UNHEARD_QUEUE = "nobody-listens-here"


@activity.defn
async def refuse() -> None:
    """Fails with a non-retryable error and details."""
    raise ApplicationError("quota exceeded", {"quota": 3}, "eu-1", type="QuotaExceeded", non_retryable=True)


ACTIVITIES: list[Callable[..., Any]] = [fail_deeply, refuse, wait_for_cancellation, tidy_up]


@workflow.defn
class NoArguments:
    """Decorator below `@workflow.run`, without options; no argument, no result."""

    @workflow.run
    @track_operation_status
    async def run(self) -> None:
        """Do nothing."""


@workflow.defn
class OneArgument:
    """Decorator above `@workflow.run`, without options; a dataclass as argument and result."""

    @track_operation_status
    @workflow.run
    async def run(self, order: Order) -> Receipt:
        """Return a dataclass made from a dataclass."""
        return Receipt(order, order.count * 1.5)


@workflow.defn
class ThreeArguments:
    """Decorator above `@workflow.run`, with options, and an `__init__` with the arguments too."""

    @workflow.init
    def __init__(self, number: int, text: str, items: list[int]) -> None:
        self._seen = (number, text)

    @track_operation_status(report_timeout=timedelta(seconds=5))
    @workflow.run
    async def run(self, number: int, text: str, items: list[int]) -> dict[str, Any]:
        """Return all arguments."""
        return {"number": self._seen[0], "text": self._seen[1], "items": items}


@workflow.defn
class Echo:
    """Returns its argument without waiting."""

    @workflow.run
    @track_operation_status
    async def run(self, value: Any) -> Any:
        """Return the argument."""
        return value


@workflow.defn
class EchoLater:
    """Returns its argument after an activity."""

    @workflow.run
    @track_operation_status
    async def run(self, value: Any) -> Any:
        """Returns the argument after a short wait."""
        await pause()
        return value


@workflow.defn
class Unusual:
    """Returns a value that is not ordinary JSON."""

    @workflow.run
    @track_operation_status
    async def run(self, kind: str) -> Any:
        """Return the named value."""
        return {
            "bytes": b"\x00\xff",
            "nan": float("nan"),
            "half a surrogate pair": "\ud800",
            "large": "x" * 300_000,
            "fits": "x" * 200_000,
        }[kind]


@workflow.defn
class Sleeper:
    """Sleeps until it is cancelled."""

    @workflow.run
    @track_operation_status
    async def run(self) -> None:
        """Sleep."""
        await workflow.sleep(FOR_EVER)


@workflow.defn
class InActivity:
    """Waits in an activity until it is cancelled; the cancellation arrives as an ActivityError."""

    @workflow.run
    @track_operation_status
    async def run(self) -> None:
        """Wait."""
        await workflow.execute_activity(
            wait_for_cancellation,
            start_to_close_timeout=FOR_EVER,
            heartbeat_timeout=SHORT,
            cancellation_type=workflow.ActivityCancellationType.WAIT_CANCELLATION_COMPLETED,
        )


@workflow.defn
class Stubborn:
    """Ignores its cancellation and returns."""

    @workflow.run
    @track_operation_status
    async def run(self) -> str:
        """Sleeps, then returns, whatever happens."""
        try:
            await workflow.sleep(FOR_EVER)
        except asyncio.CancelledError:
            await pause()
        return "done anyway"


@workflow.defn
class Tidy:
    """After a cancellation it cleans up with an activity and a timer, then raises the cancellation."""

    @workflow.run
    @track_operation_status
    async def run(self) -> None:
        """Sleep, tidy up."""
        try:
            await workflow.sleep(FOR_EVER)
        finally:
            await pause()
            await workflow.sleep(0.01)


@workflow.defn
class InnerCancel:
    """Fails because it cancelled one of its own tasks, without a cancellation of the workflow."""

    @workflow.run
    @track_operation_status
    async def run(self) -> None:
        """Await a cancelled task."""
        sleeping = asyncio.create_task(workflow.sleep(FOR_EVER))
        await pause()
        sleeping.cancel()
        await sleeping


@workflow.defn(name="Fixable")
class Broken:
    """Raises a plain exception: the workflow task fails, the workflow does not."""

    @workflow.run
    @track_operation_status
    async def run(self) -> str:
        """Fails because of a bug."""
        raise ValueError("a bug")


@workflow.defn(name="Fixable")
class Fixed:
    """The same workflow after the bug is fixed."""

    @workflow.run
    @track_operation_status
    async def run(self) -> str:
        """Succeed."""
        return "fixed"


@workflow.defn(failure_exception_types=[LookupError])
class FailsPlainly:
    """Declares that a plain exception fails the workflow."""

    @workflow.run
    @track_operation_status
    async def run(self) -> None:
        """Raise it."""
        raise KeyError("no such zone")


@workflow.defn
class Inexpressible:
    """Raises a failure that cannot be encoded."""

    @workflow.run
    @track_operation_status
    async def run(self) -> None:
        """Raise it."""
        raise ApplicationError("cannot be sent", object())


@workflow.defn
class Unreturnable:
    """Returns a value that cannot be encoded: temporalio cannot close the workflow with it."""

    @workflow.run
    @track_operation_status
    async def run(self) -> Any:
        """Return it."""
        return object()


@workflow.defn
class ContinuesAsNew:
    """Continues as new until the count is zero."""

    @workflow.run
    @track_operation_status
    async def run(self, left: int) -> str:
        """Count down."""
        await pause()
        if left:
            workflow.continue_as_new(left - 1)
        return "counted down"


@workflow.defn
class ThirdTimeLucky:
    """Fails in the first two attempts of its retry policy."""

    @workflow.run
    @track_operation_status
    async def run(self) -> int:
        """Fails, or returns the attempt."""
        attempt = workflow.info().attempt
        if attempt < 3:
            raise ApplicationError(f"attempt {attempt}")
        return attempt


@workflow.defn
class AlwaysFails:
    """Fails on every attempt."""

    @workflow.run
    @track_operation_status
    async def run(self, non_retryable: bool) -> None:
        """Fail."""
        raise ApplicationError("no use", type="NoUse", non_retryable=non_retryable)


@workflow.defn
class FailsInActivity:
    """Fails because an activity does."""

    @workflow.run
    @track_operation_status
    async def run(self, name: str) -> None:
        """Run the activity."""
        await workflow.execute_activity(name, start_to_close_timeout=SHORT, retry_policy=ONCE)


@workflow.defn
class FailsInChild:
    """Fails because an activity of a tracked child does."""

    @workflow.run
    @track_operation_status
    async def run(self, child_id: str) -> None:
        """Run the child."""
        await workflow.execute_child_workflow(FailsInActivity.run, "fail_deeply", id=child_id)


@workflow.defn
class Talkative:
    """Collects the words that its handlers receive, and ends after `bye`."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    @workflow.run
    @track_operation_status
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
        return len(self.heard) - 1


@workflow.defn
class Base:
    """Base class of a workflow."""

    @workflow.run
    @track_operation_status
    async def run(self, name: str) -> str:
        """Greet."""
        await pause()
        return f"hello {name}"


@workflow.defn
class Derived(Base):
    """Both run methods are tracked; the run is one operation."""

    @workflow.run
    @track_operation_status
    async def run(self, name: str) -> str:
        """Greets with more words."""
        return await super().run(name) + "!"


@workflow.defn
class Impatient:
    """Has a report timeout of two seconds."""

    @workflow.run
    @track_operation_status(report_timeout=timedelta(seconds=2))
    async def run(self, outcome: str) -> str:
        """Returns, or fails on request."""
        await pause()
        if outcome == "fail":
            raise ApplicationError("its own failure")
        return outcome


@workflow.defn
class Unheard:
    """Reports to a task queue without a worker."""

    @workflow.run
    @track_operation_status(ledger_task_queue=UNHEARD_QUEUE, report_timeout=timedelta(seconds=1))
    async def run(self) -> str:
        """Reports progress ten times, then returns."""
        for step in range(10):
            await report_progress(step / 10)
        return "nobody heard"


@workflow.defn
class Misplaced:
    """Runs on a task queue that it takes for the ledger's, in a worker without the ledger's activity."""

    @workflow.run
    @track_operation_status(ledger_task_queue="ledger-without-activity", report_timeout=timedelta(seconds=2))
    async def run(self) -> str:
        """Yield once, return."""
        await asyncio.sleep(0)
        return "done"


@workflow.defn
class Progressing:
    """Reports progress of every kind."""

    @workflow.run
    @track_operation_status
    async def run(self) -> str:
        """Reports valid and invalid progress."""
        await report_progress(0.25, "a quarter")
        await report_progress(message="half\ud800" + "x" * 2_000)
        await report_progress(7)
        await report_progress(float("nan"))
        await report_progress(float("-inf"))
        await report_progress()
        return "progressed"


@workflow.defn
class ProgressingForEver:
    """Waits in a progress report until it is cancelled."""

    @workflow.run
    @track_operation_status
    async def run(self) -> None:
        """Report progress."""
        await pause()
        await report_progress(0.5)
        await workflow.sleep(FOR_EVER)


WORKFLOWS = [
    NoArguments,
    OneArgument,
    ThreeArguments,
    Echo,
    EchoLater,
    Unusual,
    Sleeper,
    InActivity,
    Stubborn,
    Tidy,
    InnerCancel,
    FailsPlainly,
    Inexpressible,
    Unreturnable,
    ContinuesAsNew,
    ThirdTimeLucky,
    AlwaysFails,
    FailsInActivity,
    FailsInChild,
    Talkative,
    Base,
    Derived,
    Impatient,
    Unheard,
    Progressing,
    ProgressingForEver,
]

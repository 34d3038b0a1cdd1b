"""The workflows of the team whose operations the campaign tracks."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

from temporalio import activity, workflow
from temporalio.common import RetryPolicy
from temporalio.exceptions import ApplicationError, is_cancelled_exception

from opledger import report_progress, track_operation_status

with workflow.unsafe.imports_passed_through():
    from tests.chaos.team.stumbling import stumbles

ACTIVITY_TIME = timedelta(seconds=5)


@activity.defn
async def break_down(what: str) -> None:
    """Fail as real activities do: a library's error under a translated one."""
    try:
        raise ConnectionError(f"{what}: disk 7 is full")
    except ConnectionError as error:
        raise ApplicationError("could not write", type="WriteFailed", non_retryable=True) from error


@activity.defn
async def tidy_up() -> str:
    """Do a little work."""
    return "tidy"


@workflow.defn
class Quick:
    """Succeeds at once."""

    @workflow.run
    @track_operation_status
    async def run(self, order: dict[str, Any]) -> dict[str, Any]:
        return {"done": order["number"]}


@workflow.defn
class Sleep:
    """Works for a while, says how far it is, and counts its signals."""

    def __init__(self) -> None:
        self._nudges = 0

    @workflow.run
    @track_operation_status
    async def run(self, order: dict[str, Any]) -> dict[str, Any]:
        await report_progress(0.5, "half way")
        await workflow.sleep(order["seconds"])
        return {"slept": order["seconds"], "number": order["number"], "nudges": self._nudges}

    @workflow.signal
    def nudge(self) -> None:
        """One more; makes the server refuse a close that is under way."""
        self._nudges += 1


@workflow.defn
class Fail:
    """Fails by itself."""

    @workflow.run
    @track_operation_status
    async def run(self, order: dict[str, Any]) -> None:
        await workflow.sleep(order["seconds"])
        raise ApplicationError(f"order {order['number']} cannot be done", {"left": 3}, type="Refused")


@workflow.defn
class FailInActivity:
    """Fails because an activity does."""

    @workflow.run
    @track_operation_status
    async def run(self, order: dict[str, Any]) -> None:
        await workflow.execute_activity(break_down, f"order {order['number']}", start_to_close_timeout=ACTIVITY_TIME)


@workflow.defn
class ThirdTime:
    """Succeeds at the third attempt of its retry policy."""

    @workflow.run
    @track_operation_status
    async def run(self, order: dict[str, Any]) -> dict[str, Any]:
        attempt = workflow.info().attempt
        await workflow.sleep(0.2)
        if attempt < 3:
            raise ApplicationError(f"attempt {attempt} of order {order['number']}")
        return {"attempt": attempt}


@workflow.defn
class Never:
    """Fails at every attempt of its retry policy."""

    @workflow.run
    @track_operation_status
    async def run(self, order: dict[str, Any]) -> None:
        raise ApplicationError(f"attempt {workflow.info().attempt} of order {order['number']}")


@workflow.defn
class Onwards:
    """Continues as new three times."""

    @workflow.run
    @track_operation_status
    async def run(self, order: dict[str, Any]) -> dict[str, Any]:
        part = order.get("part", 1)
        await workflow.sleep(0.3)
        if part < 4:
            workflow.continue_as_new({**order, "part": part + 1})
        return {"parts": part}


@workflow.defn
class Linger:
    """Takes long enough for something to be done to it; cancelled, it just ends."""

    @workflow.run
    @track_operation_status
    async def run(self, order: dict[str, Any]) -> str:
        await workflow.sleep(order["seconds"])
        return "nobody disturbed me"


@workflow.defn
class GiveWay:
    """Tidies up when cancelled, and gives way."""

    @workflow.run
    @track_operation_status
    async def run(self, order: dict[str, Any]) -> str:
        try:
            await workflow.sleep(order["seconds"])
        except BaseException as error:
            if is_cancelled_exception(error):
                await workflow.execute_activity(
                    tidy_up, start_to_close_timeout=ACTIVITY_TIME, retry_policy=RetryPolicy(maximum_attempts=5)
                )
            raise
        return "nobody asked me to stop"


@workflow.defn
class Echo:
    """Returns what it was given."""

    @workflow.run
    @track_operation_status
    async def run(self, order: dict[str, Any]) -> Any:
        await workflow.sleep(0.1)
        return order["value"]


@workflow.defn
class Untracked:
    """Has no decorator: what becomes of it is found by asking."""

    @workflow.run
    async def run(self, order: dict[str, Any]) -> list[int]:
        await workflow.sleep(order["seconds"])
        return [order["number"]]


@workflow.defn
class UntrackedFailure:
    """Has no decorator, and fails."""

    @workflow.run
    async def run(self, order: dict[str, Any]) -> None:
        await workflow.sleep(order["seconds"])
        raise ApplicationError(f"order {order['number']} failed untold")


@workflow.defn
class Delayed:
    """Each signal, up to three, lets it take half a second longer."""

    def __init__(self) -> None:
        self._signals = 0

    @workflow.run
    @track_operation_status
    async def run(self, order: dict[str, Any]) -> dict[str, Any]:
        await workflow.sleep(order["seconds"])
        waited = 0
        while waited < min(self._signals, 3):
            waited += 1
            await workflow.sleep(timedelta(seconds=0.5))
        return {"signals": self._signals, "number": order["number"]}

    @workflow.signal
    def nudge(self) -> None:
        """One more."""
        self._signals += 1


@workflow.defn
class Stumble:
    """Has a mistake in it, of which its worker recovers: workflow tasks fail, and the workflow goes on."""

    @workflow.run
    @track_operation_status
    async def run(self, order: dict[str, Any]) -> dict[str, Any]:
        for step in range(2):
            # A replay has no mistakes: else each worker that is killed would have the next one make them all again, and
            # what Temporal waits between two tries doubles up to ten minutes.
            if not workflow.unsafe.is_replaying() and stumbles(workflow.info().workflow_id, step):
                raise RuntimeError(f"a mistake in step {step}")
            await workflow.sleep(order["seconds"])
        return {"went on": order["number"]}


WORKFLOWS = [
    *(Quick, Sleep, Fail, FailInActivity, ThirdTime, Never, Onwards, Linger, GiveWay, Echo),
    *(Untracked, UntrackedFailure, Delayed, Stumble),
]
ACTIVITIES: list[Callable[..., Any]] = [break_down, tidy_up]

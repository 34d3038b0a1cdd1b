"""What the tracked workflows of the tests call and carry."""

import asyncio
from dataclasses import dataclass
from datetime import timedelta

from temporalio import activity, workflow
from temporalio.exceptions import ApplicationError

SHORT = timedelta(seconds=30)


@dataclass
class Order:
    """A typed argument."""

    item: str
    count: int = 1


@dataclass
class Receipt:
    """A typed result."""

    order: Order
    total: float


@activity.defn
async def tidy_up() -> str:
    """Does a little work."""
    return "tidy"


@activity.defn
async def fail_deeply() -> None:
    """Fails like a real activity: with a library's error as the cause of a translated one."""
    try:
        raise ConnectionError("disk 7 is full")
    except ConnectionError as error:
        raise ApplicationError("could not write", type="WriteFailed") from error


@activity.defn
async def wait_for_cancellation() -> None:
    """Runs until it is cancelled, with heartbeats."""
    while True:
        activity.heartbeat()
        await asyncio.sleep(0.05)


async def pause() -> None:
    """Waits a little without a timer, because the development server fires timers up to a second late."""
    await workflow.execute_activity(tidy_up, start_to_close_timeout=SHORT)

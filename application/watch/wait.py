"""Wait for an operation to change."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from application.ports.operation_view import OperationView
from application.watch.change_hub import ChangeHub
from application.watch.read import ReadOperations
from application.watch.subscription import ServiceStopping, SubscriptionEnded
from domain.operation.transition import Transition


@dataclass(frozen=True, slots=True)
class WaitOptions:
    """What to wait for, and how long."""

    seconds: float
    until_done: bool = False
    """Whether other changes do not count."""
    known: Callable[[OperationView], bool] | None = None
    """Whether the client has this version; None: it has the one that is current when it asks."""


class WaitForOperation:
    """Answers at the next change or at the deadline, whichever is first."""

    def __init__(self, read: ReadOperations, hub: ChangeHub) -> None:
        self._read = read
        self._hub = hub

    async def wait(self, tenant: str, operation_id: UUID, wish: WaitOptions) -> OperationView:
        """The operation: changed, done, or as it stands when the time is over or the service stops. What is done does
        not change, and is answered at once. Raises OperationNotFound."""
        async with self._hub.subscribe(tenant, operation_id) as changes:
            latest = await self._read.get(tenant, operation_id)
            if _answers(latest, wish, known=wish.known is None or wish.known(latest)):
                return latest
            until = asyncio.get_running_loop().time() + wish.seconds
            try:
                while True:
                    event = await changes.next(until)
                    now = event.content
                    # An older version than the one that was read may still be on its way.
                    if isinstance(now, Transition) or now.version <= latest.version:
                        continue
                    latest = now
                    if _answers(now, wish, known=wish.known is not None and wish.known(now)):
                        return now
            except ServiceStopping:
                # All who wait are answered at this moment: no time for a query each.
                return latest
            except (TimeoutError, SubscriptionEnded):
                pass
        return await self._read.get(tenant, operation_id)


def _answers(operation: OperationView, wish: WaitOptions, *, known: bool) -> bool:
    return operation.done or not (known or wish.until_done)

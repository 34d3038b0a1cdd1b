"""Waits for an operation to change."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from application.ports.storage.operation_view import OperationDetails, OperationView, with_children
from application.watch.change_hub import ChangeHub
from application.watch.read import ReadOperations
from application.watch.subscription import ServiceStopping, SubscriptionEnded
from domain.operation.transition import Transition


@dataclass(frozen=True, slots=True)
class WaitOptions:
    """The event to wait for, and the timeout."""

    seconds: float
    """At most."""
    until_done: bool = False
    """Wait for the end; other changes do not count."""
    known: Callable[[OperationView], bool] | None = None
    """Whether the client has this version; None: it has the current one."""


class WaitForOperation:
    """Returns the operation at its next change or at the deadline, whichever is first."""

    def __init__(self, read: ReadOperations, hub: ChangeHub) -> None:
        self._read = read
        self._hub = hub

    async def wait(self, tenant: str, operation_id: UUID, options: WaitOptions) -> OperationDetails:
        """Returns the operation when it has changed or is done, or as it is when the time is over or the process shuts
        down. An operation that is done is returned at once. Raises OperationNotFound."""
        async with self._hub.subscribe(tenant, operation_id) as changes:
            first = await self._read.get(tenant, operation_id)
            if _answers(first, options, known=options.known is None or options.known(first)):
                return first
            latest: OperationView = first
            answered = False
            until = asyncio.get_running_loop().time() + options.seconds
            try:
                while not answered:
                    event = await changes.next(until)
                    now = event.content
                    # The feed may still send an older version than the one that was read.
                    if isinstance(now, Transition) or now.version <= latest.version:
                        continue
                    latest = now
                    answered = _answers(now, options, known=options.known is not None and options.known(now))
            except ServiceStopping:
                # All waiters return at this moment: there is no time for a query each.
                return with_children(latest, first.children)
            except (TimeoutError, SubscriptionEnded):
                pass
        if answered and not first.children:  # an event does not have the children
            return with_children(latest, first.children)
        return await self._read.get(tenant, operation_id)


def _answers(operation: OperationView, options: WaitOptions, *, known: bool) -> bool:
    return operation.done or not (known or options.until_done)

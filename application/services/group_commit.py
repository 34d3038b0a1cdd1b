"""Changes of operations that come in at the same time, in one commit: as many as came in during the one before.

Whoever comes alone waits for nobody. Whoever is one of many shares the round trips, and the disk's.
"""

import asyncio
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from application.ports.unit_of_work import DatabaseUnavailable, UnitOfWorkFactory
from application.services.compare_and_set import Decide, Outcome, change_operation, outcome_of
from domain.operation import Change, Operation

GROUP: Final = 32
"""Most changes in a commit. A result has up to 3 MiB, and they are all in one statement, which has its time limit."""
AT_ONCE: Final = 2
"""Commits under way: the next is decided on while the database works at one."""
LAST_ONES: Final = 5.0
"""Seconds for what is under way when the process ends."""


class _Unsettled(Exception):
    """The group left it as it was."""


@dataclass(eq=False, slots=True)
class _Request:
    operation_id: UUID
    decide: Decide
    answer: "asyncio.Future[Outcome | None]"

    def tell(self, outcome: Outcome | None) -> None:
        """Unless nobody waits for it any more."""
        if not self.answer.done():
            self.answer.set_result(outcome)

    def fail(self, error: BaseException) -> None:
        """Unless it has its answer already, or nobody waits for it any more."""
        if not self.answer.done():
            self.answer.set_exception(error)


class GroupCommit:
    """Changes operations, each caller's by compare-and-set. What goes wrong with one concerns no other: what its group
    does not settle, because the row was changed, is held, or one of the group was refused, its caller does alone."""

    def __init__(self, units: UnitOfWorkFactory) -> None:
        self._units = units
        self._waiting: list[_Request] = []
        self._under_way: set[UUID] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def change(self, operation_id: UUID, decide: Decide) -> Outcome | None:
        """Apply what `decide` makes of the operation; the answer comes after the commit. It may be asked several times.

        Returns None if there is no such operation. Raises DatabaseUnavailable, after which it is not known whether the
        change is stored; StaleOperation after MAX_TRIES lost races; and whatever `decide` raises. A caller that is
        cancelled does not learn whether it was stored.
        """
        loop = asyncio.get_running_loop()
        request = _Request(operation_id, decide, loop.create_future())
        self._waiting.append(request)
        if len(self._tasks) < AT_ONCE:
            self._tasks.add(loop.create_task(self._work()))
        try:
            return await request.answer
        except _Unsettled:
            return await change_operation(self._units, operation_id, decide)

    async def close(self, within: float = LAST_ONES) -> None:
        """Let what is under way come to its end, if that is so many seconds away at most. Who waits longer is told
        DatabaseUnavailable."""
        if self._tasks:
            _, late = await asyncio.wait(self._tasks, timeout=within)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    async def _work(self) -> None:
        """Group after group, while there is one."""
        try:
            while group := self._next_group():
                await self._settle(group)
        except asyncio.CancelledError:
            for request in self._waiting:
                request.fail(_ended())
            raise
        finally:
            # Not in a callback of the task, which comes later: who asks in between would wait for ever.
            self._tasks.discard(asyncio.current_task())

    def _next_group(self) -> list[_Request]:
        """Those that have waited longest, one an operation, none that another group has."""
        group: dict[UUID, _Request] = {}
        left = []
        for request in self._waiting:
            if request.answer.done():
                continue
            if len(group) < GROUP and request.operation_id not in group and request.operation_id not in self._under_way:
                group[request.operation_id] = request
            else:
                left.append(request)
        self._waiting = left
        self._under_way.update(group)
        return list(group.values())

    async def _settle(self, group: list[_Request]) -> None:
        """Everybody in it has an answer in the end."""
        end: BaseException = _Unsettled()
        try:
            await self._commit({request.operation_id: request for request in group})
        except DatabaseUnavailable as outage:
            end = outage
        except asyncio.CancelledError:
            end = _ended()
            raise
        except Exception:
            pass  # Of whose doing it is shows where each is done alone.
        except BaseException as error:
            end = error
        finally:
            self._under_way.difference_update(request.operation_id for request in group)
            for request in group:
                request.fail(end)

    async def _commit(self, group: dict[UUID, _Request]) -> None:
        async with self._units() as unit:
            found = await unit.operations.get_all(group)
            changes = {}
            for operation_id, request in group.items():
                change = _decided(request, found.get(operation_id))
                if change is not None:
                    changes[operation_id] = change
            saved = await unit.operations.save_all(list(changes.values()))
            if saved:
                await unit.commit()
        for operation_id, operation in saved.items():
            group[operation_id].tell(outcome_of(found[operation_id], changes[operation_id], operation))


def _decided(request: _Request, operation: Operation | None) -> Change | None:
    """What is to be stored. Where that is nothing, the caller has its answer."""
    if operation is None:
        request.tell(None)
        return None
    try:
        change = request.decide(operation)
    except Exception as error:
        request.fail(error)
        return None
    if change is None or change.operation is operation:
        request.tell(Outcome(operation, changed=False))
        return None
    return change


def _ended() -> DatabaseUnavailable:
    return DatabaseUnavailable("the process ends")

"""Performs bulk actions, piece by piece."""

import asyncio
import contextlib
import logging
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import takewhile
from typing import Final
from uuid import UUID

from application.batching.optimistic_update import retry_on_conflict
from application.bulk.pace import BulkPace
from application.bulk.verbs import Act
from application.ports.storage.unit_of_work import (
    DatabaseContended,
    DatabaseTimeout,
    DatabaseUnavailable,
    UnitOfWork,
    UnitOfWorkFactory,
)
from domain.bulk.bulk_action import BulkVerb
from domain.bulk.target import Target, TargetCode, TargetOutcome
from domain.errors import OpledgerError

_log = logging.getLogger(__name__)
CHUNK: Final = 50
"""Targets of one transaction. So many may still be handled after the bulk action was stopped."""
PIECE_TIME: Final = 5.0
"""Seconds after which a piece ends. Each piece costs Temporal a dozen events, and is one report of progress."""
LONGEST_WAIT: Final = 15.0
"""Seconds after which a piece ends that waits for other work and has handled no target."""
WAIT_STEP: Final = 0.2
"""Seconds between two looks at the other work."""
MAX_PIECE: Final = 20_000
"""Targets of one piece at most."""
PENDING: Final = TargetOutcome.PENDING


class BulkActionEnded(OpledgerError):
    """The operation of the bulk action is done, or was deleted."""


class TargetsFailed(OpledgerError):
    """Targets cannot be handled, although each was tried alone. The cause is the first error."""


@dataclass(frozen=True, slots=True)
class PieceHandled:
    """The numbers of a piece."""

    upto: int
    """Place of its last target. The next piece is behind it."""
    matching: int
    """Targets of the whole bulk action."""
    outcomes: Mapping[TargetOutcome, int]
    stopped: bool = False
    """The cancellation of the bulk action was requested. The targets behind `upto` are not handled."""
    waits: bool = False
    """It has handled no target, because the bulk action waits for other work."""


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Some of the targets, after an attempt to handle them. Those that it has left are PENDING."""

    matching: int
    targets: Sequence[Target]
    stopped: bool = False
    waits: bool = False
    """Other work comes first: no target was handled."""


class PerformBulkActions:
    """What happens to a target, and the record of it, are one transaction, which holds the lock of the bulk action. So
    a process may crash at any point, and another one may take over from it too early: each target is handled once.

    Behind each chunk there is a pause as long as the chunk took, which leaves half of the time to others, and more
    where the database is slow. A chunk waits while other work is late, of a kind that the chunk would make due too.
    """

    def __init__(
        self,
        units: UnitOfWorkFactory,
        acts: Mapping[BulkVerb, Act],
        pace: BulkPace | None = None,
        piece: int = MAX_PIECE,
        longest_wait: float = LONGEST_WAIT,
    ) -> None:
        """`pace`: None, it waits for no other work. `piece`: targets of one piece at most. `longest_wait`: of a piece,
        in seconds."""
        self._units = units
        self._acts = acts
        self._pace = pace
        self._piece = piece
        self._longest_wait = longest_wait

    async def handle(
        self, action_id: UUID, after: int, stop: asyncio.Event | None = None, *, give_up: bool = False
    ) -> PieceHandled:
        """Handles a piece: targets behind the place `after`; none, if it has to wait for other work all the time.
        `stop`: ends it behind the transaction under way. `give_up`: handles one chunk without such a wait, and targets
        that cannot be handled are FAILED, so that they do not keep the bulk action from its end.

        Raises BulkActionEnded; TargetsFailed for the first chunk; DatabaseUnavailable and others that concern the whole
        bulk action. After all but the first the piece has to be repeated.
        """
        clock, stop = asyncio.get_running_loop().time, stop or asyncio.Event()
        begun, upto, matching = clock(), after, 0
        outcomes: Counter[TargetOutcome] = Counter()
        while True:
            chunk_begun, size = clock(), min(CHUNK, after + self._piece - upto)
            try:
                chunk = await self._handle_chunk(action_id, upto, size, stop, give_up=give_up)
            except TargetsFailed:
                if upto == after:
                    raise
                return PieceHandled(upto, matching, outcomes)  # the next piece begins with the chunk
            outcomes.update(target.outcome for target in chunk.targets)
            upto, matching = upto + len(chunk.targets), chunk.matching
            longest = PIECE_TIME if upto > after else self._longest_wait
            whole = upto >= matching or upto - after >= self._piece or clock() - begun >= longest
            pause = WAIT_STEP if chunk.waits else clock() - chunk_begun
            if chunk.stopped or whole or give_up or await _stopped(stop, within=pause):
                return PieceHandled(upto, matching, outcomes, chunk.stopped, chunk.waits and upto == after)

    async def _handle_chunk(
        self, action_id: UUID, after: int, size: int, stop: asyncio.Event, *, give_up: bool
    ) -> _Chunk:
        """Handles targets together. Those that this leaves are handled alone. If an error of one target fails all of
        them, or together they exceed a timeout, they are handled in halves, down to single ones. After `stop`, returns
        the targets before the first that is not handled. Raises TargetsFailed after all were tried."""
        chunk, parts = await self._handle_together(action_id, after, size, paced=not give_up)
        handled = {target.place: target for target in chunk.targets}
        errors: list[Exception] = []
        while parts and not stop.is_set():  # single targets come last: the others do not wait for their locks
            part = parts.popleft()
            first, last = part[0].place, part[-1].place
            try:
                tried = await self._attempt(action_id, first - 1, last - first + 1, stoppable=False)
            except Exception as error:
                if _concerns_all(error):
                    raise
                if len(part) > 1:
                    parts.extend(_halves(part))
                elif give_up:
                    handled[first] = await self._fail(action_id, part[0], error)
                else:
                    errors.append(error)
                continue
            handled.update((target.place, target) for target in tried.targets)
            if len(part) > 1:
                parts.extend([target] for target in _pending(tried.targets))
        if stop.is_set():
            return replace(chunk, targets=list(takewhile(_is_handled, handled.values())))
        if errors:
            raise TargetsFailed(f"{len(errors)} targets cannot be handled: {errors[0]}") from errors[0]
        return replace(chunk, targets=list(handled.values()))

    async def _handle_together(
        self, action_id: UUID, after: int, size: int, *, paced: bool
    ) -> tuple[_Chunk, deque[Sequence[Target]]]:
        """Returns the targets, and the parts in which those that this leaves are to be handled."""
        try:
            chunk = await self._attempt(action_id, after, size, paced=paced)
            return chunk, deque([target] for target in _pending(chunk.targets))
        except Exception as error:
            if _concerns_all(error):
                raise
            chunk = await self._read(action_id, after, size)
            return chunk, deque(_halves(_pending(chunk.targets)))

    async def _attempt(
        self, action_id: UUID, after: int, size: int, *, stoppable: bool = True, paced: bool = False
    ) -> _Chunk:
        """Handles targets in one transaction; a single one again after a conflict. `stoppable`: none of them if the
        cancellation of the bulk action was requested. `paced`: none of them if other work comes first."""

        async def attempt(unit: UnitOfWork) -> _Chunk:
            with _concerning_all():
                action = await unit.bulk_actions.lock(action_id)
                operation = await unit.operations.get(action_id)
                if action is None or action.terms is None or operation is None or operation.done:
                    raise BulkActionEnded
                if stoppable and operation.cancel_request is not None:
                    return _Chunk(action.matching, [], stopped=True)
                targets = await unit.bulk_actions.targets(action_id, after=after, limit=size)
                pending = _pending(targets)
                if paced and pending and await self._waits(unit, action.verb, pending):
                    return _Chunk(action.matching, [], waits=True)
            handled = await self._acts[action.verb](unit, action, action.terms, pending) if pending else []
            await unit.bulk_actions.record(action_id, handled)
            await unit.commit()
            known = {target.place: target for target in handled}
            return _Chunk(action.matching, [known.get(target.place, target) for target in targets])

        if size == 1:
            return await retry_on_conflict(self._units, f"bulk action {action_id}", attempt)
        async with self._units() as unit:
            return await attempt(unit)

    async def _waits(self, unit: UnitOfWork, verb: BulkVerb, targets: Sequence[Target]) -> bool:
        return self._pace is not None and await self._pace.waits(unit, verb, targets)

    async def _fail(self, action_id: UUID, target: Target, error: Exception) -> Target:
        """Records that the target cannot be handled, unless another process has handled it."""
        _log.error("bulk action %s: operation %s cannot be handled", action_id, target.operation_id, exc_info=error)
        async with self._units() as unit:
            await unit.bulk_actions.lock(action_id)
            [now] = await unit.bulk_actions.targets(action_id, after=target.place - 1, limit=1)
            if now.outcome is PENDING:
                words = "it could not be handled; the worker's log has the error"
                now = replace(now, outcome=TargetOutcome.FAILED, code=TargetCode.REFUSED, message=words)
                await unit.bulk_actions.record(action_id, [now])
                await unit.commit()
        return now

    async def _read(self, action_id: UUID, after: int, size: int) -> _Chunk:
        async with self._units() as unit:
            action = await unit.bulk_actions.get(action_id)
            targets = await unit.bulk_actions.targets(action_id, after=after, limit=size)
        return _Chunk(0 if action is None else action.matching, targets)


def _concerns_all(error: Exception) -> bool:
    """Whether the error says nothing of a single target. A lock that is not available does, and so does a timeout."""
    of_one = isinstance(error, DatabaseContended | DatabaseTimeout)
    return isinstance(error, BulkActionEnded | DatabaseUnavailable) and not of_one


@contextlib.contextmanager
def _concerning_all() -> Iterator[None]:
    """Lets timeouts of the block concern all targets: another worker may hold the lock of the bulk action."""
    try:
        yield
    except (DatabaseContended, DatabaseTimeout) as error:
        raise DatabaseUnavailable(f"the bulk action cannot be read: {error}") from error


def _is_handled(target: Target) -> bool:
    return target.outcome is not PENDING


def _pending(targets: Sequence[Target]) -> list[Target]:
    return [target for target in targets if target.outcome is PENDING]


def _halves(targets: Sequence[Target]) -> list[Sequence[Target]]:
    """Two parts; one for a single target; none for no target."""
    middle = len(targets) // 2
    return [part for part in (targets[:middle], targets[middle:]) if part]


async def _stopped(stop: asyncio.Event, *, within: float) -> bool:
    """Waits for so many seconds, or until `stop` is set. Returns whether it is."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(within):
            await stop.wait()
    return stop.is_set()

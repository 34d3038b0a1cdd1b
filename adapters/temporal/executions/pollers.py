"""Whether a worker polls a task queue: one question for a queue and interval, however many operations wait for it."""

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import PollerInfo, TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.client import Client
from temporalio.service import RPCError

from adapters.temporal.connection.rpc import call
from adapters.temporal.executions.close import moment
from application.ports.workflow_engine import EngineUnavailable

SILENT_AFTER = timedelta(seconds=90)
"""A worker that waits for tasks polls at least once a minute; the server lists pollers for five minutes (measured)."""
POLLED_FOR = timedelta(seconds=15)
"""How long the answer is used that a worker polls."""
UNPOLLED_FOR = timedelta(seconds=2)
"""The same of the answer that none does: a worker that comes back is to be seen soon."""
MOST_QUEUES = 10_000
_log = logging.getLogger(__name__)


class Kind(IntEnum):
    """What the tasks of a queue are."""

    WORKFLOW = TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW
    ACTIVITY = TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY


@dataclass(frozen=True, slots=True)
class _Answer:
    unpolled: str | None
    asked_at: datetime
    until: datetime

    def holds(self, now: datetime) -> bool:
        """Not where the clock was set back either; callers that asked side by side are some moments apart."""
        return self.asked_at - POLLED_FOR < now < self.until


class Pollers:
    """Answers of one namespace, kept for some seconds."""

    def __init__(self, client: Client, *, polled_for: timedelta = POLLED_FOR, unpolled_for: timedelta = UNPOLLED_FOR):
        self._client = client
        self._polled_for = polled_for
        self._unpolled_for = unpolled_for
        self._answers: dict[tuple[str, Kind], _Answer] = {}
        self._locks: dict[tuple[str, Kind], asyncio.Lock] = {}

    async def unpolled(self, queue: str, kind: Kind, now: datetime) -> str | None:
        """In words, that no worker polls the queue; None where one does, or where the server does not say."""
        key = (queue, kind)
        async with self._locks.setdefault(key, asyncio.Lock()):
            answer = self._answers.get(key)
            if answer is None or not answer.holds(now):
                words = await self._ask(queue, kind, now)
                answer = _Answer(words, now, now + (self._polled_for if words is None else self._unpolled_for))
                self._forget()
                self._answers[key] = answer
        return answer.unpolled

    async def _ask(self, queue: str, kind: Kind, now: datetime) -> str | None:
        request = DescribeTaskQueueRequest(
            namespace=self._client.namespace,
            task_queue=TaskQueue(name=queue),
            task_queue_type=TaskQueueType.ValueType(kind),
        )
        try:
            response = await call(self._client.workflow_service.describe_task_queue, request)
        except (RPCError, EngineUnavailable) as error:
            _log.debug("who polls task queue %s is not known: %s", queue, error)
            return None
        return _words(queue, max(response.pollers, key=_last, default=None), now)

    def _forget(self) -> None:
        """Queues may be as many as hosts: an application can have one for each."""
        if len(self._answers) >= MOST_QUEUES:
            self._answers.clear()
            self._locks = {key: lock for key, lock in self._locks.items() if lock.locked()}


def _last(poller: PollerInfo) -> int:
    return poller.last_access_time.ToNanoseconds()


def _words(queue: str, latest: PollerInfo | None, now: datetime) -> str | None:
    polled_at = None if latest is None else moment(latest.last_access_time)
    if latest is None or polled_at is None:
        return f'no worker polls task queue "{queue}"'
    if now - polled_at < SILENT_AFTER:
        return None
    return f'no worker polls task queue "{queue}"; the last one was {latest.identity} at {polled_at:%H:%M:%S} UTC'

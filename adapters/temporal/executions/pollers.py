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
from adapters.temporal.executions.close import to_datetime
from application.ports.workflow_engine import EngineUnavailable

POLLER_TIMEOUT = timedelta(seconds=90)
"""A worker that waits for tasks polls at least once a minute; the server lists pollers for five minutes (measured)."""
POLLED_TTL = timedelta(seconds=15)
"""How long the answer is used that a worker polls."""
UNPOLLED_TTL = timedelta(seconds=2)
"""The same of the answer that none does: a worker that comes back is to be seen soon."""
MAX_QUEUES = 10_000
_log = logging.getLogger(__name__)


class TaskKind(IntEnum):
    """What the tasks of a queue are."""

    WORKFLOW = TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW
    ACTIVITY = TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY


@dataclass(frozen=True, slots=True)
class _CachedAnswer:
    unpolled: str | None
    asked_at: datetime
    until: datetime

    def is_fresh(self, now: datetime) -> bool:
        """Not where the clock was set back either; callers that asked side by side are some moments apart."""
        return self.asked_at - POLLED_TTL < now < self.until


class Pollers:
    """Answers of one namespace, kept for some seconds."""

    def __init__(self, client: Client, *, polled_ttl: timedelta = POLLED_TTL, unpolled_ttl: timedelta = UNPOLLED_TTL):
        self._client = client
        self._polled_ttl = polled_ttl
        self._unpolled_ttl = unpolled_ttl
        self._answers: dict[tuple[str, TaskKind], _CachedAnswer] = {}
        self._locks: dict[tuple[str, TaskKind], asyncio.Lock] = {}

    async def unpolled(self, queue: str, kind: TaskKind, now: datetime) -> str | None:
        """In words, that no worker polls the queue; None where one does, or where the server does not say."""
        key = (queue, kind)
        async with self._locks.setdefault(key, asyncio.Lock()):
            answer = self._answers.get(key)
            if answer is None or not answer.is_fresh(now):
                words = await self._ask(queue, kind, now)
                answer = _CachedAnswer(words, now, now + (self._polled_ttl if words is None else self._unpolled_ttl))
                self._evict()
                self._answers[key] = answer
        return answer.unpolled

    async def _ask(self, queue: str, kind: TaskKind, now: datetime) -> str | None:
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
        return _unpolled_message(queue, max(response.pollers, key=_last, default=None), now)

    def _evict(self) -> None:
        """Queues may be as many as hosts: an application can have one for each."""
        if len(self._answers) >= MAX_QUEUES:
            self._answers.clear()
            self._locks = {key: lock for key, lock in self._locks.items() if lock.locked()}


def _last(poller: PollerInfo) -> int:
    return poller.last_access_time.ToNanoseconds()


def _unpolled_message(queue: str, latest: PollerInfo | None, now: datetime) -> str | None:
    polled_at = None if latest is None else to_datetime(latest.last_access_time)
    if latest is None or polled_at is None:
        return f'no worker polls task queue "{queue}"'
    if now - polled_at < POLLER_TIMEOUT:
        return None
    return f'no worker polls task queue "{queue}"; the last one was {latest.identity} at {polled_at:%H:%M:%S} UTC'

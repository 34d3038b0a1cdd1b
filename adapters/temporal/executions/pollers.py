"""Checks whether a worker polls a task queue. A cache limits the requests per queue."""

import asyncio
import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import IntEnum

from temporalio.api.enums.v1 import TaskQueueType
from temporalio.api.taskqueue.v1 import PollerInfo, TaskQueue
from temporalio.api.workflowservice.v1 import DescribeTaskQueueRequest
from temporalio.service import RPCError

from adapters.temporal.connection.raw_client import RawClient
from adapters.temporal.connection.rpc import call
from adapters.temporal.executions.close import to_datetime
from application.ports.engine.workflow_engine import EngineUnavailable

POLLER_TIMEOUT = timedelta(seconds=90)
"""A queue whose last poll is older has no worker: a worker polls at least once a minute. The server lists pollers for
five minutes (measured)."""
POLLED_TTL = timedelta(seconds=15)
"""How long the cache keeps that a worker polls."""
UNPOLLED_TTL = timedelta(seconds=2)
"""How long the cache keeps that no worker polls: short, so that a returning worker is seen soon."""
MAX_QUEUES = 10_000
_log = logging.getLogger(__name__)


class TaskKind(IntEnum):
    """Type of the tasks of a task queue."""

    WORKFLOW = TaskQueueType.TASK_QUEUE_TYPE_WORKFLOW
    ACTIVITY = TaskQueueType.TASK_QUEUE_TYPE_ACTIVITY


@dataclass(frozen=True, slots=True)
class _CachedAnswer:
    unpolled: str | None
    asked_at: datetime
    until: datetime

    def is_fresh(self, now: datetime) -> bool:
        """Whether the answer is still valid. It is not if the clock was set back, but concurrent callers may differ by
        a moment."""
        return self.asked_at - POLLED_TTL < now < self.until


class Pollers:
    """Pollers of one namespace, cached for some seconds."""

    def __init__(
        self, client: RawClient, *, polled_ttl: timedelta = POLLED_TTL, unpolled_ttl: timedelta = UNPOLLED_TTL
    ):
        self._client = client
        self._polled_ttl = polled_ttl
        self._unpolled_ttl = unpolled_ttl
        self._answers: dict[tuple[str, TaskKind], _CachedAnswer] = {}
        self._locks: dict[tuple[str, TaskKind], asyncio.Lock] = {}

    async def unpolled(self, queue: str, kind: TaskKind, now: datetime) -> str | None:
        """Message that no worker polls the queue; None if one does, or if the server does not answer."""
        key = (queue, kind)
        async with self._locks.setdefault(key, asyncio.Lock()):
            answer = self._answers.get(key)
            if answer is None or not answer.is_fresh(now):
                unpolled = await self._ask(queue, kind, now)
                ttl = self._polled_ttl if unpolled is None else self._unpolled_ttl
                answer = _CachedAnswer(unpolled, now, now + ttl)
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
            _log.debug("pollers of task queue %s are unknown: %s", queue, error)
            return None
        return _unpolled_message(queue, max(response.pollers, key=_last, default=None), now)

    def _evict(self) -> None:
        """Empties a full cache. There may be many task queues: an application can have one for each host."""
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

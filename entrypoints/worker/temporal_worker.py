"""The Temporal worker: the ledger's activities and workflows on its task queue."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from temporalio.client import Client
from temporalio.contrib.opentelemetry import TracingInterceptor
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from domain.scheduling.backoff import exponential
from entrypoints.worker.perform_bulk_action import PerformBulkAction
from entrypoints.worker.reconcile_operations import ReconcileOperations
from opledger.wire import LEDGER_TASK_QUEUE

STICKY_TIMEOUT = timedelta(seconds=2)
"""How long the server waits for this process before it gives a workflow's next task to another worker."""
CONNECT_TIMEOUT = 10.0
SHUTDOWN_TIMEOUT = timedelta(seconds=5)
HEARTBEAT_EVERY = timedelta(seconds=1)
"""A bulk action whose workflow was terminated ends with the answer to a heartbeat."""
_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Additions:
    """Workflows and activities that run on the ledger's task queue besides the ledger's own."""

    workflows: Sequence[type] = ()
    activities: Sequence[Callable[..., Any]] = ()


async def run_temporal_worker(
    connect: Callable[[], Awaitable[Client]],
    activities: Sequence[Any],
    stop: asyncio.Event,
    additions: Additions | None = None,
) -> None:
    """Runs until `stop` is set. Restarts the worker after every error, such as an unreachable server."""
    additions = additions or Additions()
    attempt = 0
    while not stop.is_set():
        attempt += 1
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                client = await connect()
            async with _worker(client, activities, additions):
                _log.info("the Temporal worker polls task queue %s", LEDGER_TASK_QUEUE)
                attempt = 0
                await stop.wait()
        except Exception as error:
            _log.warning("the Temporal worker failed and restarts: %s: %s", type(error).__name__, error)
            await _pause(stop, exponential(attempt, cap=timedelta(seconds=10)).total_seconds())


def _worker(client: Client, activities: Sequence[Any], additions: Additions) -> Worker:
    restrictions = SandboxRestrictions.default.with_passthrough_modules("opledger", "opentelemetry")
    return Worker(
        client,
        task_queue=LEDGER_TASK_QUEUE,
        workflows=[ReconcileOperations, PerformBulkAction, *additions.workflows],
        activities=[*activities, *additions.activities],
        interceptors=[TracingInterceptor()],
        workflow_runner=SandboxedWorkflowRunner(restrictions=restrictions),
        sticky_queue_schedule_to_start_timeout=STICKY_TIMEOUT,
        graceful_shutdown_timeout=SHUTDOWN_TIMEOUT,
        max_heartbeat_throttle_interval=HEARTBEAT_EVERY,
    )


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        pass

"""Temporal's side of the worker process: the ledger's activities and workflows on its task queue."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from datetime import timedelta
from typing import Any

from temporalio.client import Client
from temporalio.contrib.opentelemetry import TracingInterceptor
from temporalio.worker import Worker
from temporalio.worker.workflow_sandbox import SandboxedWorkflowRunner, SandboxRestrictions

from domain.scheduling.backoff import exponential
from entrypoints.local.demo_workflows.commission import CommissionMachine
from entrypoints.local.demo_workflows.deploy import DeployMachine
from entrypoints.local.demo_workflows.machine_job import inspect_machine
from entrypoints.local.demo_workflows.release import ReleaseMachine
from entrypoints.worker.reconcile_operations import ReconcileOperations
from opledger.wire import LEDGER_TASK_QUEUE

WORKFLOWS = [CommissionMachine, DeployMachine, ReconcileOperations, ReleaseMachine]
STICKY = timedelta(seconds=2)
"""How long the server waits for this process before it gives a workflow's next task to another: short, so that a
killed worker costs two seconds."""
CONNECT_SECONDS = 10.0
GRACE = timedelta(seconds=5)
_log = logging.getLogger(__name__)


async def run_temporal_worker(
    connect: Callable[[], Awaitable[Client]], activities: Sequence[Any], stop: asyncio.Event
) -> None:
    """Run until `stop` is set. Whatever ends the worker before, an absent server first of all, it is begun again."""
    attempt = 0
    while not stop.is_set():
        attempt += 1
        try:
            async with asyncio.timeout(CONNECT_SECONDS):
                client = await connect()
            async with _worker(client, activities):
                _log.info("the Temporal worker polls task queue %s", LEDGER_TASK_QUEUE)
                attempt = 0
                await stop.wait()
        except Exception as error:
            _log.warning("the Temporal worker ended and is begun again: %s: %s", type(error).__name__, error)
            await _pause(stop, exponential(attempt, cap=timedelta(seconds=10)).total_seconds())


def _worker(client: Client, activities: Sequence[Any]) -> Worker:
    restrictions = SandboxRestrictions.default.with_passthrough_modules("opledger", "opentelemetry")
    return Worker(
        client,
        task_queue=LEDGER_TASK_QUEUE,
        workflows=WORKFLOWS,
        activities=[*activities, inspect_machine],
        interceptors=[TracingInterceptor()],
        workflow_runner=SandboxedWorkflowRunner(restrictions=restrictions),
        sticky_queue_schedule_to_start_timeout=STICKY,
        graceful_shutdown_timeout=GRACE,
    )


async def _pause(stop: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await stop.wait()
    except TimeoutError:
        pass

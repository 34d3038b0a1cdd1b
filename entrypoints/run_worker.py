"""The worker process."""

import asyncio
import logging
import math
from collections.abc import Mapping
from functools import partial
from typing import Any

from application.batching.claim_loop import CONCURRENCY, ClaimLoop
from application.operate.worker_presence import INTERVAL
from entrypoints.logs import configure_logs
from entrypoints.poller import Pace, poll
from entrypoints.process import loop_factory, run_to_exit
from entrypoints.settings.loading import load_settings
from entrypoints.settings.settings import Settings
from entrypoints.wiring import worker
from entrypoints.worker.metrics_server import ensure_metrics_port, serve_metrics
from entrypoints.worker.preparation import prepare
from entrypoints.worker.temporal_worker import Additions, run_temporal_worker

VERIFY_STEPS_PER_SECOND = 4
CLAIM_PACE = Pace(between=0.02)
"""Claims operations that become due within 20 ms together. At most 1,600 operations per second and worker."""
CHILDREN_PACE = Pace(idle=0.5, between=0.02)
LEASE_PACE = Pace(idle=0.25)
"""How often a worker tries to acquire the lease of work that one worker at a time does."""
PRESENCE_PACE = Pace(idle=INTERVAL.total_seconds(), outage=INTERVAL.total_seconds())
FOLD_PACE = Pace(batch=20_000, idle=5, outage=60, outage_batch=1000)
"""A statement of 20,000 changes ends long before its timeout, however many wait after an outage of the workers."""
PURGE_KEYS_PACE = Pace(batch=1000, idle=60, outage=60, outage_batch=1000)
PURGE_DRY_RUNS_PACE = Pace(batch=10, idle=60, outage=60, outage_batch=10, between=1.0)
PURGE_OPERATIONS_PACE = Pace(batch=200, idle=60, outage=60, outage_batch=200, between=1.0)
"""At most 200 operations per second and worker: a backlog of a million takes an hour and a half."""
_log = logging.getLogger(__name__)


def main(flags: Mapping[str, Any], additions: Additions | None = None) -> None:
    """Runs the worker until SIGTERM or SIGINT."""
    settings = load_settings(flags)
    configure_logs(settings.log_format, settings.log_level)
    run_to_exit(partial(run, settings, additions=additions), loop_factory=loop_factory())


async def run(settings: Settings, stop: asyncio.Event, additions: Additions | None = None) -> int:
    """Runs the loops and the Temporal worker until `stop` is set. Each of them waits by itself until the database and
    Temporal are reachable. Returns the exit code: 1 if a loop has crashed, because a worker without it would look
    healthy. Raises StartupError: the metrics port is taken, or a setting cannot be used."""
    ensure_metrics_port(settings.host, settings.metrics_port)
    async with worker.worker(settings) as parts:
        loops = [
            asyncio.create_task(prepare(parts.prepare_temporal), name="preparation"),
            asyncio.create_task(claim("dispatch", parts.dispatcher.claim_loop(), CLAIM_PACE), name="dispatch"),
            asyncio.create_task(claim("follow-up", parts.follow_ups.claim_loop(), CLAIM_PACE), name="follow-up"),
            asyncio.create_task(claim("children", parts.cancel_children.claim_loop(), CHILDREN_PACE), name="children"),
            asyncio.create_task(claim("verify", parts.verifier.claim_loop(), verifying(settings)), name="verify"),
            asyncio.create_task(poll("start watch", parts.start_watch.step, LEASE_PACE), name="start-watch"),
            asyncio.create_task(poll("watch rules", parts.watch_rules.step, LEASE_PACE), name="watch-rules"),
            asyncio.create_task(poll("forget", parts.forgetter.step, PURGE_KEYS_PACE), name="forget"),
            asyncio.create_task(poll("dry runs", parts.dry_runs.step, PURGE_DRY_RUNS_PACE), name="dry-runs"),
            asyncio.create_task(poll("presence", parts.presence.step, PRESENCE_PACE), name="presence"),
            asyncio.create_task(poll("counts", parts.folder.step, FOLD_PACE), name="counts"),
        ]
        if parts.close_poll is not None:
            loops.append(asyncio.create_task(poll("close poll", parts.close_poll.step, LEASE_PACE), name="close-poll"))
        if parts.retainer is not None:
            loops.append(asyncio.create_task(poll("retain", parts.retainer.step, PURGE_OPERATIONS_PACE), name="retain"))
        if settings.metrics_port is not None:
            page = serve_metrics(parts.metrics_page, settings.host, settings.metrics_port, stop)
            loops.append(asyncio.create_task(page, name="metrics"))
        crashed: list[str] = []
        for loop in loops:
            loop.add_done_callback(partial(_stop_if_crashed, stop, crashed))
        _log.info("the worker runs")
        try:
            await run_temporal_worker(parts.connect, parts.activities, stop, additions)
        finally:
            for loop in loops:
                loop.cancel()
            await asyncio.gather(*loops, return_exceptions=True)
    return 1 if crashed else 0


def _stop_if_crashed(stop: asyncio.Event, crashed: list[str], loop: asyncio.Task[None]) -> None:
    if stop.is_set() or not (loop.cancelled() or loop.exception()):
        return
    error = None if loop.cancelled() else loop.exception()
    _log.critical("the %s loop has crashed; the worker stops", loop.get_name(), exc_info=error)
    crashed.append(loop.get_name())
    stop.set()


async def claim(name: str, loop: ClaimLoop, pace: Pace) -> None:
    """Runs the loop until cancelled."""
    async with loop:
        await poll(name, loop.step, pace)


def verifying(settings: Settings) -> Pace:
    """The pace of verification: the configured rate, in steps for which a loop always has room."""
    batch = min(CONCURRENCY, math.ceil(settings.verify_rate / VERIFY_STEPS_PER_SECOND))
    return Pace(batch=batch, idle=1.0, between=batch / settings.verify_rate)

"""Runs the demo."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import httpx
from rich.console import Console
from rich.live import Live
from temporalio.client import Client

from domain.errors import StartupError
from entrypoints.local.demo.plan import Fate, Job, two_dozen
from entrypoints.local.demo.report import Ending, verdict
from entrypoints.local.demo.terminations import NUMBER, MeasureTerminations, Terminations
from entrypoints.local.demo.watch import LiveTable, PlainLines, Shown, Watcher
from entrypoints.local.embedded.options import Running

DEADLINE = 150.0
"""Seconds after which the demo stops waiting for operations."""
RECONCILE_EVERY = "3s"
"""Shorter than the default of one minute, so that the demo ends soon."""


class Demo:
    """Submits the plan's operations, injects faults, and compares the outcomes with the plan."""

    def __init__(self, application: Running, http: httpx.AsyncClient, temporal: Client, console: Console) -> None:
        self._application = application
        self._http = http
        self._temporal = temporal
        self._console = console
        self._jobs: dict[str, Job] = {}

    async def run(self) -> bool:
        """Returns whether every outcome is as expected."""
        async with self._watching() as watcher:
            watcher.say(f"submitting {len(two_dozen())} operations")
            for job in two_dozen():
                answer = await self._http.post("/v1/operations", json=job.body)
                answer.raise_for_status()
                self._jobs[answer.json()["id"]] = job
            faults = asyncio.create_task(self._inject_faults(watcher))
            operations = await self._watch_until_done(watcher)
            terminations = await faults
        endings = [await self._ending(self._jobs[shown["id"]], shown) for shown in operations]
        return verdict(endings, terminations, self._console, pushed=self._application.callback_url is not None)

    async def _inject_faults(self, watcher: Watcher) -> Terminations:
        """Kills the worker, cancels and terminates operations; then measures many terminations."""
        await asyncio.sleep(2.5)
        await self._until_all_started()
        pid = self._application.pids["worker"]
        watcher.say(f"kill -9 of the worker process ({pid}); the supervisor starts it again")
        os.kill(pid, signal.SIGKILL)
        await asyncio.sleep(2.5)
        for operation_id, job in self._with_fate(Fate.CANCELED):
            watcher.say(f"cancelling {job.machine} over the API")
            body = {"reason": "no longer wanted"}
            (await self._http.post(f"/v1/operations/{operation_id}/cancel", json=body)).raise_for_status()
        for operation_id, job in self._with_fate(Fate.TERMINATED):
            watcher.say(f"terminating {job.machine} through Temporal's own API, from outside")
            await self._temporal.get_workflow_handle(operation_id).terminate(reason="terminated by the demo")
        watcher.say(f"starting {NUMBER} more, and terminating them there one after another")
        return await MeasureTerminations(self._http, self._temporal).run()

    async def _until_all_started(self) -> None:
        """Waits until Temporal runs every operation: only then can one be interrupted or terminated there. Raises
        StartupError after DEADLINE."""
        deadline = time.monotonic() + DEADLINE
        while any(shown["status"] == "ACCEPTED" for shown in await self._operations()):
            if time.monotonic() > deadline:
                raise StartupError(f"the demo's operations were not all started within {DEADLINE:g} s")
            await asyncio.sleep(0.1)

    def _with_fate(self, fate: Fate) -> list[tuple[str, Job]]:
        return [(operation_id, job) for operation_id, job in self._jobs.items() if job.fate is fate]

    async def _watch_until_done(self, watcher: Watcher) -> list[Shown]:
        deadline = time.monotonic() + DEADLINE
        while True:
            operations = await self._operations()
            watcher.show(operations)
            if all(shown["done"] for shown in operations) or time.monotonic() > deadline:
                return operations
            await asyncio.sleep(0.25)

    async def _operations(self) -> list[Shown]:
        answer = await self._http.get("/v1/operations", params={"label.demo": "yes", "page_size": 200})
        answer.raise_for_status()
        found = {shown["id"]: shown for shown in answer.json()["items"]}
        return [
            {**found[operation_id], "machine": job.machine, "fate": str(job.fate)}
            for operation_id, job in self._jobs.items()
        ]

    async def _ending(self, job: Job, shown: Shown) -> Ending:
        execution = await self._temporal.get_workflow_handle(shown["id"]).describe()
        history = (await self._http.get(f"/v1/operations/{shown['id']}/transitions")).json()
        lag = None
        if execution.close_time and shown["done"]:
            recorded = datetime.fromisoformat(_items(history)[-1]["at"])
            lag = (recorded - execution.close_time).total_seconds()
        error = shown["error"]
        return Ending(job, shown["id"], shown["status"], error["code"] if error else None, lag)

    @asynccontextmanager
    async def _watching(self) -> AsyncIterator[Watcher]:
        if not self._console.is_terminal:
            yield PlainLines(self._console)
            return
        with Live(console=self._console, refresh_per_second=8) as live:
            yield LiveTable(live)


def _items(history: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = history["items"]
    return items


async def show(application: Running, console: Console) -> bool:
    """Runs the demo on an application that is ready. Returns whether every outcome is as expected."""
    for line in _addresses(application):
        console.print(line, markup=False, highlight=False)
    try:
        temporal = await Client.connect(application.temporal_address, namespace=application.temporal_namespace)
        async with httpx.AsyncClient(base_url=application.api_url, timeout=10, trust_env=False) as http:
            return await Demo(application, http, temporal, console).run()
    except httpx.HTTPError as error:
        raise StartupError(f"the demo's request failed: {type(error).__name__}: {error}") from error


def _addresses(application: Running) -> Iterable[str]:
    yield f"API        {application.api_url}  (documentation: {application.docs_url})"
    yield f"Temporal   {application.temporal_address}  (web page: {application.temporal_ui_url})"

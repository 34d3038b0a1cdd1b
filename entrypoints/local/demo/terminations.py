"""Measures the time from a termination in Temporal to the ledger, for enough operations for a 99th percentile."""

import asyncio
import math
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import median
from typing import Any

import httpx
from temporalio.client import Client

from domain.errors import StartupError
from domain.operation.transition import Source

NUMBER = 100
DEADLINE = 120.0
"""Seconds after which the demo stops waiting for them."""
_LABEL = "terminations"
_BETWEEN = 0.03
"""Seconds between two terminations: this measures latency, not throughput."""
_MAX_CONCURRENT = 8
"""Most concurrent requests, where the order does not matter."""


@dataclass(frozen=True)
class Terminations:
    """The measured terminations."""

    lags: Sequence[float]
    """Seconds from the close in Temporal to the row, of the operations that ended FAILED with TERMINATED."""
    by_callback: int
    """Number of operations whose end the ledger learned from a callback."""

    @property
    def right(self) -> bool:
        """Whether every outcome is as expected."""
        return len(self.lags) == NUMBER

    @property
    def words(self) -> str:
        """The demo's line about them."""
        times = "no time from close to ledger"
        if self.lags:
            times = (
                f"from close to ledger median {median(self.lags) * 1000:,.0f} ms, "
                f"p99 {percentile(self.lags, 99) * 1000:,.0f} ms, longest {max(self.lags) * 1000:,.0f} ms"
            )
        return (
            f"{len(self.lags)} of {NUMBER} more, terminated one after another: {times}; {self.by_callback} by callback."
        )


def percentile(values: Sequence[float], rank: int) -> float:
    """Returns the percentile by the nearest-rank method."""
    return sorted(values)[math.ceil(len(values) * rank / 100) - 1]


class MeasureTerminations:
    """Submits operations, waits until all run, terminates each in Temporal, and reads their ends in the ledger."""

    def __init__(self, http: httpx.AsyncClient, temporal: Client) -> None:
        self._http = http
        self._temporal = temporal
        self._gate = asyncio.Semaphore(_MAX_CONCURRENT)

    async def run(self) -> Terminations:
        """Raises StartupError: not all operations start, or not all end, within DEADLINE."""
        ids = await asyncio.gather(*(self._submit(number) for number in range(NUMBER)))
        await self._until("RUNNING")
        for operation_id in ids:
            await self._temporal.get_workflow_handle(operation_id).terminate(reason="terminated by the demo")
            await asyncio.sleep(_BETWEEN)
        await self._until("FAILED")
        found = await asyncio.gather(*(self._ending(operation_id) for operation_id in ids))
        ended = [ending for ending in found if ending is not None]
        return Terminations([lag for lag, _ in ended], sum(source == Source.CALLBACK for _, source in ended))

    async def _submit(self, number: int) -> str:
        body = {
            "type": "deploy",
            "input": {"machine": f"t{number:03}", "seconds": 600},
            "labels": {"demo": _LABEL},
        }
        async with self._gate:
            answer = await self._http.post("/v1/operations", json=body)
        answer.raise_for_status()
        return str(answer.json()["id"])

    async def _until(self, status: str) -> None:
        deadline = time.monotonic() + DEADLINE
        while len(await self._with_status(status)) < NUMBER:
            if time.monotonic() > deadline:
                raise StartupError(f"not all of {NUMBER} operations were {status} within {DEADLINE:g} s")
            await asyncio.sleep(0.1)

    async def _with_status(self, status: str) -> list[Any]:
        params: dict[str, str | int] = {"label.demo": _LABEL, "status": status, "page_size": 200}
        answer = await self._http.get("/v1/operations", params=params)
        answer.raise_for_status()
        found: list[Any] = answer.json()["items"]
        return found

    async def _ending(self, operation_id: str) -> tuple[float, str] | None:
        """Returns the lag and the source of the transition; None if the outcome is not as expected."""
        async with self._gate:
            execution = await self._temporal.get_workflow_handle(operation_id).describe()
            shown = (await self._http.get(f"/v1/operations/{operation_id}")).json()
            history = (await self._http.get(f"/v1/operations/{operation_id}/transitions")).json()
        if execution.close_time is None or not shown["error"] or shown["error"]["code"] != "TERMINATED":
            return None
        last = next(line for line in history["items"] if line["to"] == "FAILED")
        return (datetime.fromisoformat(last["at"]) - execution.close_time).total_seconds(), last["source"]

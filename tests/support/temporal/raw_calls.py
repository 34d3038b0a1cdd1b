"""A workflow that calls the ledger's activities with any payloads, as a worker in another language may."""

from datetime import timedelta
from typing import Any

from temporalio import workflow
from temporalio.api.common.v1 import Payload
from temporalio.common import RawValue

from tests.support.temporal.ledger_workflows import LEDGER_QUEUE

LONG = timedelta(seconds=20)
"""Long enough for a second attempt to be in the history."""
Sent = list[tuple[str, str]]
"""Encoding and data of each argument."""


@workflow.defn
class CallsActivity:
    """Calls one of the ledger's activities with exactly these payloads; returns the answer."""

    @workflow.run
    async def run(self, name: str, local: bool, sent: Sent) -> str:
        payloads = [RawValue(Payload(metadata={"encoding": one.encode()}, data=data.encode())) for one, data in sent]
        if local:
            return str(await workflow.execute_local_activity(name, args=payloads, schedule_to_close_timeout=LONG))
        call = workflow.execute_activity(name, args=payloads, task_queue=LEDGER_QUEUE, schedule_to_close_timeout=LONG)
        return str(await call)


@workflow.defn(name="Fixable")
class ReturnsOddly:
    """Returns what JSON does not have. Untracked, so that the ledger reads the result from the engine."""

    @workflow.run
    async def run(self, what: str) -> Any:
        return b"\x00\x01" if what == "bytes" else {"loss": float("nan"), "steps": [1, float("-inf"), 3]}

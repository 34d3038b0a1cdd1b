"""Performs the bulk actions of an API on memory adapters, as the ledger's worker does."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

from application.bulk.perform import PerformBulkActions
from domain.bulk.target import TargetOutcome
from tests.support.http.api import Api


async def perform(api: Api, action_id: str) -> None:
    """Handles all targets, and completes the operation with the numbers."""
    api.worker.bulk.add_kwargs(pace=None)  # no dispatcher runs
    performer: PerformBulkActions = api.worker.bulk()
    numbers: Counter[TargetOutcome] = Counter()
    after, matching = 0, None
    while matching is None or after < matching:
        piece = await performer.handle(UUID(action_id), after)
        after, matching = piece.upto, piece.matching
        numbers.update(piece.outcomes)
    named = {"done": TargetOutcome.DONE, "skipped": TargetOutcome.SKIPPED, "failed": TargetOutcome.FAILED}
    await api.complete(action_id, {"matching": matching, **{name: numbers[outcome] for name, outcome in named.items()}})


@asynccontextmanager
async def performing(api: Api) -> AsyncIterator[None]:
    """Performs every bulk action that is confirmed in the block."""

    async def work() -> None:
        while True:
            for one in (await api.client.get("/v1/operations?status=ACCEPTED&page_size=200")).json()["items"]:
                if one["type"].startswith("opledger."):
                    await perform(api, one["id"])
            await asyncio.sleep(0.02)

    task = asyncio.create_task(work())
    try:
        yield
    finally:
        task.cancel()

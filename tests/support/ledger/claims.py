"""One step of a claim loop, as a test wants it."""

from dataclasses import replace
from typing import Protocol

from application.batching.claim_loop import ClaimLoop
from application.batching.step_result import StepResult


class Claiming(Protocol):
    """A service whose loop production runs."""

    def claim_loop(self) -> ClaimLoop: ...


async def run_once(service: Claiming, limit: int) -> StepResult:
    """One step of the service's loop, and all that it claimed."""
    async with service.claim_loop() as loop:
        result = await loop.step(limit)
        return replace(result, engine_available=await loop.drain())

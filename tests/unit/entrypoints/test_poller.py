"""The loops: busy while there is work, patient when something is away, never ended by an error."""

import asyncio
from collections.abc import Sequence

import pytest

from application.batching.step_result import StepResult
from entrypoints.poller import Pace, poll

FAST = Pace(batch=50, idle=0.001, outage=0.001, outage_batch=7)


async def run_until_empty(answers: Sequence[StepResult | Exception]) -> list[int]:
    """The batch sizes that the loop asked for until the answers ran out."""
    asked: list[int] = []
    left = list(answers)
    done = asyncio.Event()

    async def step(limit: int) -> StepResult:
        if not left:
            done.set()
            return StepResult(0)
        asked.append(limit)
        answer = left.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    task = asyncio.create_task(poll("test", step, FAST))
    await done.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    return asked


async def test_an_error_does_not_end_the_loop() -> None:
    """The database may be away for an hour; the loop is there when it comes back."""
    answers = [RuntimeError("gone"), RuntimeError("gone"), StepResult(3), StepResult(2)]
    assert await run_until_empty(answers) == [50, 7, 7, 50]  # type: ignore[arg-type]


async def test_an_outage_makes_small_steps_until_something_goes_through() -> None:
    """A long outage must not write a retry for every waiting row every second."""
    answers = [
        StepResult(50, engine_available=False),
        StepResult(7, engine_available=False),
        StepResult(0),
        StepResult(7),
        StepResult(1),
    ]
    assert await run_until_empty(list(answers)) == [50, 7, 7, 7, 50]


async def test_an_outage_noticed_without_a_claim() -> None:
    """A step that only waited for others may report it too; one without a request does not end it."""
    answers: list[StepResult | Exception] = [
        StepResult(0, engine_available=False),
        StepResult(0),
        StepResult(7),
        StepResult(1),
    ]
    assert await run_until_empty(answers) == [50, 7, 7, 50]


async def test_answer_without_a_claim_ends_an_outage() -> None:
    """The close poll reads the index and often finds nothing to ask about."""
    answers = [StepResult(0, engine_available=False), StepResult(0, engine_asked=True), StepResult(1)]
    assert await run_until_empty(list(answers)) == [50, 7, 50]

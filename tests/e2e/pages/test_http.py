"""The examples of docs/http.md and docs/bulk.md, run as they stand there against the service."""

import asyncio
import re
import time

import pytest

from tests.support.eventually import TIMEOUT
from tests.support.pages import WALK_THROUGHS, section
from tests.support.stack.commands import Stack
from tests.support.stack.exchanges import Reader, differences

_EXCHANGE = re.compile(r"```sh\n(?P<command>.*?)```\n\n```http\n(?P<answer>.*?)```", re.S)


@pytest.mark.parametrize(("page", "least"), list(zip(WALK_THROUGHS, (13, 6), strict=True)))
async def test_the_walk_through(stack: Stack, page: str, least: int) -> None:
    """Copy and paste, from the first command to the last. A GET is repeated until what it shows has come."""
    examples = section(page, "By example")
    exchanges = list(_EXCHANGE.finditer(examples))
    assert len(exchanges) == examples.count("```sh") == examples.count("curl ") >= least
    reader = Reader(stack.ledger.http)
    for exchange in exchanges:
        command, shown = exchange["command"], exchange["answer"]
        deadline = time.monotonic() + TIMEOUT
        answer = await reader.send(command)
        while answer.request.method == "GET" and differences(shown, answer) and time.monotonic() < deadline:
            await asyncio.sleep(0.1)
            answer = await reader.send(command)
        assert differences(shown, answer) == [], command
        reader.remember(answer)

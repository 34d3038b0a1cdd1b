"""The dashboard on PostgreSQL and Temporal: what ran is on its pages."""

import re

from tests.support.eventually import eventually
from tests.support.stack.commands import Stack

PAGES = ("/", "/?window=week", "/types", "/types/one?name=deploy", "/health", "/keys", "/operations")


async def test_what_ran_is_on_the_first_page(stack: Stack) -> None:
    """Its throughput, as soon as it has ended; and every page answers."""

    async def completed() -> int:
        found = re.search(r"([\d,]+) operations completed", (await stack.ledger.http.get("/?window=day")).text)
        return int(found[1].replace(",", "")) if found else 0

    async def is_shown() -> bool:
        return await completed() > before

    before = await completed()
    body = {"type": "deploy", "input": {"machine": "m1", "seconds": 0}}
    made = await stack.ledger.http.post("/v1/operations", json=body)
    assert made.status_code == 202
    await eventually(is_shown, "the throughput")
    for path in PAGES:
        assert (await stack.ledger.http.get(path)).status_code == 200, path

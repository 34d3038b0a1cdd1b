"""The examples of docs/adopt.md, run as they stand there beside `opledger up`: the five ways into the ledger."""

from pathlib import Path

from tests.support.stack.commands import Stack
from tests.support.stack.page import Page

PAGE = "docs/adopt.md"


async def test_the_five_ways(stack: Stack, tmp_path: Path) -> None:
    """In the order of the page. The stack has the types of the block "operations.toml"."""
    page = Page(PAGE, stack, tmp_path)
    submitted = (await page.ask("submit", "submitted")).json()["id"]
    recorded = (await page.run("client.py")).strip()
    await page.ask("read client", "recorded")
    async with page.running("worker.py"):
        await page.start("start order")
        await page.ask("read order", "reported")
        await page.ask("read child", "child")
        earlier = await stack.ledger.until_done(submitted, recorded)
    assert [(row["status"], row["result"]) for row in earlier] == [("COMPLETED", f"parcel {cart}") for cart in (7, 8)]
    await page.start("start refund")
    await page.ask("read refund", "watched")
    await page.start("start stocktake")
    await page.ask("call", "answer")
    for workflow_id in ("refund-7", "stocktake-3"):
        await (await stack.temporal()).get_workflow_handle(workflow_id).terminate()

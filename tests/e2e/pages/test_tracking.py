"""The example of docs/tracking.md, run as it stands there beside `opledger up`."""

from pathlib import Path

from tests.support.stack.commands import Stack
from tests.support.stack.page import Page

PAGE = "docs/tracking.md"


async def test_decorated_workflow_is_tracked(stack: Stack, tmp_path: Path) -> None:
    """RUNNING, progress and steps by its reports. The stack has the type of the block "operations.toml"."""
    page = Page(PAGE, stack, tmp_path)
    async with page.running("movers.py"):
        answer = await page.send("submit")
        assert answer.status_code == 202, answer.text
        [row] = await stack.ledger.until_done(answer.json()["id"])
        assert (row["status"], row["result"]) == ("COMPLETED", {"moved": 7})
        page.remember(answer)
        await page.ask("read", "steps")

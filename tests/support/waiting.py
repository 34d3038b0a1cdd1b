"""Waits until clients have subscribed."""

import asyncio

from application.watch.change_hub import ChangeHub


async def subscribed(hub: ChangeHub, many: int = 1) -> None:
    """Waits until this number of clients has subscribed and read the current state."""
    while sum(map(len, hub._subscriptions.values())) < many:  # noqa: ASYNC110
        await asyncio.sleep(0)
    for _ in range(10):
        await asyncio.sleep(0)

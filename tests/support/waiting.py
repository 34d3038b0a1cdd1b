"""Waiting for those who wait."""

import asyncio

from application.watch.change_hub import ChangeHub


async def subscribed(hub: ChangeHub, many: int = 1) -> None:
    """Until so many are subscribed, and have read what they begin with."""
    while sum(map(len, hub._subscriptions.values())) < many:  # noqa: ASYNC110
        await asyncio.sleep(0)
    for _ in range(10):
        await asyncio.sleep(0)

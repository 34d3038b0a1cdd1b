"""Both clients of the SDK behind one asynchronous face, so that the same tests run with each."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

from opledger import AsyncClient, Client

_END = object()


class InThreads:
    """The synchronous client: each of its calls runs in a thread."""

    def __init__(self, client: Client) -> None:
        self._client = client

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._client, name)
        if name in ("list", "targets", "events", "as_completed"):
            return lambda *args, **kwargs: _iterated(method(*args, **kwargs))

        async def call(*args: Any, **kwargs: Any) -> Any:
            return await asyncio.to_thread(method, *args, **kwargs)

        return call


async def _iterated(items: Iterator[Any]) -> AsyncIterator[Any]:
    while True:
        item = await asyncio.to_thread(next, items, _END)
        if item is _END:
            return
        yield item


def clients(url: str, **options: Any) -> dict[str, Any]:
    """A client of each kind."""
    return {"sync": InThreads(Client(url, **options)), "async": AsyncClient(url, **options)}

"""A workflow that processes signals and updates, for workflows with and without the decorator.

In a file of its own, because each run in the sandbox imports the modules of its workflow again.
"""

from temporalio import workflow


class Queue:
    """Processes the items that its handlers put into a queue. Returns when it has processed `enough` and the queue is
    empty."""

    def __init__(self) -> None:
        self._queue: list[int] = []
        self._processed: list[int] = []

    async def process(self, enough: int) -> list[int]:
        """Processes items, and returns them."""
        while len(self._processed) < enough:
            await workflow.wait_condition(lambda: bool(self._queue))
            self._processed += self._queue
            self._queue.clear()
        return list(self._processed)

    @workflow.signal
    def add(self, item: int) -> None:
        """Puts the item into the queue."""
        self._queue.append(item)

    @workflow.update
    async def put(self, item: int) -> int:
        """Puts the item into the queue, and returns it."""
        self._queue.append(item)
        return item

"""Records the statements that a database receives meanwhile."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest.mock import patch

import asyncpg
from sqlalchemy import event
from sqlalchemy.ext.asyncio import AsyncEngine


@contextmanager
def caught(engine: AsyncEngine) -> Iterator[list[tuple[str, Any]]]:
    """Each statement and its parameters, by the engine or straight on the driver."""
    asked: list[tuple[str, Any]] = []
    fetch = asyncpg.Connection.fetch

    def catch(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
        asked.append((statement, parameters))

    async def catch_straight(connection: Any, statement: str, *parameters: Any) -> Any:
        asked.append((statement, parameters))
        return await fetch(connection, statement, *parameters)

    event.listen(engine.sync_engine, "before_cursor_execute", catch)
    try:
        with patch.object(asyncpg.Connection, "fetch", catch_straight):
            yield asked
    finally:
        event.remove(engine.sync_engine, "before_cursor_execute", catch)

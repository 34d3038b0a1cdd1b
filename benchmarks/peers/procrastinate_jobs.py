"""procrastinate behind the thin front."""

from collections.abc import Mapping, Sequence
from typing import Any, Final
from urllib.parse import urlsplit

import procrastinate

from benchmarks.peers.jobs import Row

QUEUE: Final = "peers"


class ProcrastinateJobs:
    """An asynchronous `App` on psycopg, as procrastinate documents it for asynchronous web servers."""

    def __init__(self, database_url: str, connections: int) -> None:
        connector = procrastinate.PsycopgConnector(
            conninfo=urlsplit(database_url)._replace(scheme="postgresql").geturl(),
            min_size=connections,
            max_size=connections,
        )
        self._app = procrastinate.App(connector=connector)

    async def open(self) -> None:
        await self._app.open_async()
        if not await self._app.check_connection_async():
            await self._app.schema_manager.apply_schema_async()

    async def close(self) -> None:
        await self._app.close_async()

    async def submit(self, key: str, type_name: str, value: Mapping[str, Any]) -> str:
        """Without the key: a queueing lock holds only until the job starts, and is no idempotency key."""
        deferrer = self._app.configure_task(type_name, queue=QUEUE, allow_unknown=True)
        return str(await deferrer.defer_async(**value))

    async def read(self, job_id: str) -> Row:
        """The status alone, by the function that is made for it."""
        status = await self._app.job_manager.get_job_status_async(int(job_id))
        return {"id": job_id, "status": status.value}

    async def page(self, type_name: str, size: int) -> Sequence[Row]:
        """procrastinate lists all that match; the newest come last."""
        found = await self._app.job_manager.list_jobs_async(task=type_name, status="succeeded")
        return [_row(job) for job in reversed(list(found)[-size:])]

    async def counts(self) -> Sequence[Row]:
        return list(await self._app.job_manager.list_tasks_async())


def _row(job: Any) -> Row:
    return {
        "id": job.id,
        "type": job.task_name,
        "status": job.status,
        "input": job.task_kwargs,
        "attempts": job.attempts,
        "scheduled_at": job.scheduled_at,
    }

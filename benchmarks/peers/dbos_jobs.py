"""DBOS Transact behind the thin front."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from dbos import DBOS, DBOSClient, WorkflowStatus

from benchmarks.peers.jobs import Row

QUEUE: Final = "peers"


class DbosJobs:
    """A `DBOSClient`, which DBOS documents for web servers that enqueue work for other processes. It runs nothing
    itself."""

    def __init__(self, database_url: str, connections: int) -> None:
        self._url = database_url
        self._connections = connections
        self._client: Any = None

    async def open(self) -> None:
        DBOS.migrate(self._url)
        self._client = DBOSClient(system_database_url=self._url, system_database_pool_size=self._connections)

    async def close(self) -> None:
        self._client.destroy()

    async def submit(self, key: str, type_name: str, value: Mapping[str, Any]) -> str:
        """The key is the workflow's id, which is how DBOS makes a submission idempotent."""
        options = {"workflow_name": type_name, "queue_name": QUEUE, "workflow_id": key}
        handle = await self._client.enqueue_async(options, value)
        return str(handle.workflow_id)

    async def read(self, job_id: str) -> Row:
        """One query. `retrieve_workflow` and then `get_status` would be two."""
        [found] = await self._client.list_workflows_async(workflow_ids=[job_id])
        return _row(found)

    async def page(self, type_name: str, size: int) -> Sequence[Row]:
        found = await self._client.list_workflows_async(name=type_name, status="SUCCESS", limit=size, sort_desc=True)
        return [_row(each) for each in found]

    async def counts(self) -> Sequence[Row]:
        raise NotImplementedError("DBOS counts no workflows")


def _row(found: WorkflowStatus) -> Row:
    return {
        "id": found.workflow_id,
        "type": found.name,
        "status": found.status,
        "input": found.input,
        "output": found.output,
        "created_at": found.created_at,
        "updated_at": found.updated_at,
        "completed_at": found.completed_at,
    }

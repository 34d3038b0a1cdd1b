"""The workflow chains of the in-memory engine: the current one and the former ones of each workflow id."""

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from adapters.memory.engine.executions import MemoryExecution, StartFields
from domain.operation.chain import Chain, Run, RunOrigin


class MemoryChains:
    """Assigns run ids and stores the chain of each run."""

    def __init__(self) -> None:
        self.current: dict[str, MemoryExecution] = {}
        """By workflow id."""
        self.former: dict[str, tuple[MemoryExecution, ...]] = {}
        """Earlier chains of the workflow id, oldest first."""
        self._runs: dict[Run, RunOrigin] = {}
        self._forgotten: dict[str, MemoryExecution] = {}
        self._given = 0

    def begin(self, workflow_id: str, at: datetime, request_id: str, fields: StartFields) -> MemoryExecution:
        """Starts a new chain, which becomes the current one. An earlier chain becomes a former one."""
        if workflow_id in self.current:
            self.former[workflow_id] = (*self.former.get(workflow_id, ()), self.current[workflow_id])
        run_id = self._new_run_id()
        execution = MemoryExecution(workflow_id, fields, at, request_id, run_id, run_id)
        self._put(execution)
        return execution

    def continue_by_reset(self, workflow_id: str, at: datetime) -> None:
        """Continues the current chain, open or closed, in a new run."""
        self._put(self.current[workflow_id].reset(at, self._new_run_id()))

    def continue_as_new(self, workflow_id: str, at: datetime) -> None:
        """Closes the run of the current chain and continues it in a new run."""
        self._put(self.current[workflow_id].next_run(at, self._new_run_id()))

    def forget(self, workflow_id: str) -> None:
        """Removes the current chain with all its runs."""
        gone = self._forgotten[workflow_id] = self.current.pop(workflow_id)
        self._runs = {run: origin for run, origin in self._runs.items() if origin.first_run_id != gone.first_run_id}

    def remember(self, workflow_id: str) -> None:
        """Restores the chain that was removed last, as the current one in its latest run."""
        self._put(self._forgotten.pop(workflow_id))

    def find(self, chain: Chain) -> MemoryExecution | None:
        """Returns the chain, current or former; the latest if several have the operation's search attribute."""
        if chain.first_run_id is None and chain.workflow_id not in self.current:
            return None
        return next((found for found in self._latest_first(chain.workflow_id) if found.belongs_to(chain)), None)

    def of_run(self, run: Run) -> MemoryExecution | None:
        """Returns the chain of the run, in its latest run."""
        origin = self._runs.get(run)
        if origin is None:
            return None
        chains = self._latest_first(run.workflow_id)
        return next((found for found in chains if found.first_run_id == origin.first_run_id), None)

    def origin(self, run: Run) -> RunOrigin | None:
        """Returns the chain of the run; None if the run is unknown."""
        return self._runs.get(run)

    def latest_run(self, workflow_id: str) -> Run:
        """Returns the latest run of the workflow id."""
        return Run(workflow_id, self.current[workflow_id].run_id)

    def _latest_first(self, workflow_id: str) -> Iterator[MemoryExecution]:
        if workflow_id in self.current:
            yield self.current[workflow_id]
        yield from reversed(self.former.get(workflow_id, ()))

    def _put(self, execution: MemoryExecution) -> None:
        self.current[execution.workflow_id] = execution
        origin = RunOrigin(execution.first_run_id, execution.operation_id)
        self._runs[Run(execution.workflow_id, execution.run_id)] = origin

    def _new_run_id(self) -> str:
        self._given += 1
        return str(UUID(int=self._given))

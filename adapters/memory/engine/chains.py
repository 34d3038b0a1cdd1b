"""The workflow chains of the in-memory engine: the current one and the former ones of each workflow id."""

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from adapters.memory.engine.executions import Execution
from application.ports.workflow_engine import CompletionCallback
from domain.evidence.finality import OutcomeReports
from domain.operation.chain import Chain, Run, RunOrigin


class MemoryChains:
    """Assigns run ids and stores the chain of each run."""

    def __init__(self) -> None:
        self.current: dict[UUID, Execution] = {}
        """By workflow id, which is the operation's id."""
        self.former: dict[UUID, tuple[Execution, ...]] = {}
        """Earlier chains of the workflow id, oldest first."""
        self._runs: dict[Run, RunOrigin] = {}
        self._forgotten: dict[UUID, Execution] = {}
        self._given = 0

    def begin(
        self,
        operation_id: UUID,
        at: datetime,
        request_id: str,
        callback: CompletionCallback | None = None,
        *,
        outcome_reports: OutcomeReports | None = None,
        task_queue: str = "",
        tagged: bool = True,
    ) -> Execution:
        """Starts a new chain, which becomes the current one. An earlier chain becomes a former one."""
        if operation_id in self.current:
            self.former[operation_id] = (*self.former.get(operation_id, ()), self.current[operation_id])
        run_id = self._new_run_id()
        execution = Execution(
            at,
            request_id,
            run_id,
            run_id,
            tagged,
            callback=callback,
            outcome_reports=outcome_reports,
            task_queue=task_queue,
        )
        self._put(operation_id, execution)
        return execution

    def continue_by_reset(self, operation_id: UUID, at: datetime) -> None:
        """Continues the current chain, open or closed, in a new run."""
        self._put(operation_id, self.current[operation_id].reset(at, self._new_run_id()))

    def continue_as_new(self, operation_id: UUID, at: datetime) -> None:
        """Closes the run of the current chain and continues it in a new run."""
        self._put(operation_id, self.current[operation_id].next_run(at, self._new_run_id()))

    def forget(self, operation_id: UUID) -> None:
        """Removes the current chain with all its runs."""
        gone = self._forgotten[operation_id] = self.current.pop(operation_id)
        self._runs = {run: origin for run, origin in self._runs.items() if origin.first_run_id != gone.first_run_id}

    def remember(self, operation_id: UUID) -> None:
        """Restores the chain that was removed last, as the current one in its latest run."""
        self._put(operation_id, self._forgotten.pop(operation_id))

    def find(self, chain: Chain) -> Execution | None:
        """Returns the chain, current or former; the latest if several have the operation's search attribute."""
        if chain.first_run_id is None and chain.operation_id not in self.current:
            return None
        return next((found for found in self._latest_first(chain.operation_id) if found.belongs_to(chain)), None)

    def origin(self, run: Run) -> RunOrigin | None:
        """Returns the chain of the run; None if the run is unknown."""
        return self._runs.get(run)

    def latest_run(self, operation_id: UUID) -> Run:
        """Returns the latest run of the workflow id."""
        return Run(str(operation_id), self.current[operation_id].run_id)

    def _latest_first(self, operation_id: UUID) -> Iterator[Execution]:
        if operation_id in self.current:
            yield self.current[operation_id]
        yield from reversed(self.former.get(operation_id, ()))

    def _put(self, operation_id: UUID, execution: Execution) -> None:
        self.current[operation_id] = execution
        tag = operation_id if execution.tagged else None
        self._runs[Run(str(operation_id), execution.run_id)] = RunOrigin(execution.first_run_id, tag)

    def _new_run_id(self) -> str:
        self._given += 1
        return str(UUID(int=self._given))

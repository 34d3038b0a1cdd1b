"""The workflow chains of the engine in memory: under each workflow id the current one, and those before it."""

from collections.abc import Iterator
from datetime import datetime
from uuid import UUID

from adapters.memory.engine.executions import Execution
from application.ports.workflow_engine import CompletionCallback
from domain.evidence.finality import OutcomeReports
from domain.operation.chain import Chain, Run, RunOrigin


class MemoryChains:
    """Gives run ids, and knows what chain each run belongs to."""

    def __init__(self) -> None:
        self.current: dict[UUID, Execution] = {}
        """By workflow id, which is an operation's id."""
        self.former: dict[UUID, tuple[Execution, ...]] = {}
        """The chains that had the workflow id before, oldest first."""
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
        """A new chain, which is the current one. The one before it, if there is one, is kept."""
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
        """The current chain goes on in a further run, whether it is closed or not."""
        self._put(operation_id, self.current[operation_id].reset(at, self._new_run_id()))

    def continue_as_new(self, operation_id: UUID, at: datetime) -> None:
        """The current chain closes its run and goes on in a further one."""
        self._put(operation_id, self.current[operation_id].next_run(at, self._new_run_id()))

    def forget(self, operation_id: UUID) -> None:
        """The current chain is gone, with all its runs."""
        gone = self._forgotten[operation_id] = self.current.pop(operation_id)
        self._runs = {run: origin for run, origin in self._runs.items() if origin.first_run_id != gone.first_run_id}

    def remember(self, operation_id: UUID) -> None:
        """The chain that was forgotten last is the current one, in its latest run."""
        self._put(operation_id, self._forgotten.pop(operation_id))

    def find(self, chain: Chain) -> Execution | None:
        """The chain, current or not; the latest where several have the operation's search attribute."""
        if chain.first_run_id is None and chain.operation_id not in self.current:
            return None
        return next((found for found in self._latest_first(chain.operation_id) if found.belongs_to(chain)), None)

    def origin(self, run: Run) -> RunOrigin | None:
        """The chain of the run; None if it is not known."""
        return self._runs.get(run)

    def latest_run(self, operation_id: UUID) -> Run:
        """The latest run under the workflow id."""
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

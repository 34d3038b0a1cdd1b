"""The index of the in-memory engine: lists the executions of now, or of when it was frozen."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from uuid import UUID

from adapters.memory.engine.chains import MemoryChains
from adapters.memory.engine.executions import Execution
from application.ports.workflow_engine import EngineUnavailable, IndexEntry, IndexPage
from domain.evidence.observation import ExecutionState
from domain.operation.attention import AttentionKind


class MemoryIndex:
    """Lists executions by their search attribute. Lags behind the engine, as the real one does, while frozen."""

    def __init__(self, chains: MemoryChains, unknown: Collection[UUID], page_size: int) -> None:
        self._chains = chains
        self._unknown = unknown
        self._frozen: Mapping[UUID, Sequence[Execution]] | None = None
        self._page_size = page_size

    def freeze(self) -> None:
        """Keeps the current list."""
        self._frozen = self._live()

    def thaw(self) -> None:
        """Lists current executions again."""
        self._frozen = None

    def changed_since(self, since: datetime, page: bytes | None, *, closed_only: bool = False) -> IndexPage:
        """See the port. The page size counts operations, each with all its entries.

        A page token names the last operation, so that deletions between pages move nothing."""
        if page is not None and not page.isdigit():
            raise EngineUnavailable("something went wrong, please retry")
        last = int(page or b"-1")
        changed = {
            operation_id: [
                execution for execution in chains if _changed(execution, since) and not (closed_only and execution.open)
            ]
            for operation_id, chains in sorted(self._listed().items())
            if operation_id.int > last
        }
        left = [operation_id for operation_id, chains in changed.items() if chains]
        listed = left[: self._page_size]
        entries = [
            IndexEntry(operation_id, self._state(operation_id, execution), execution.closed_at)
            for operation_id in listed
            for execution in changed[operation_id]
        ]
        return IndexPage(entries, str(listed[-1].int).encode() if len(left) > len(listed) else None)

    def with_problems(self) -> frozenset[UUID]:
        """See the port."""
        return frozenset(
            operation_id
            for operation_id, chains in self._listed().items()
            if any(_stalled(execution) for execution in chains)
        )

    def _live(self) -> Mapping[UUID, Sequence[Execution]]:
        """Returns the chains with the search attribute by workflow id, oldest first."""
        found = {}
        for operation_id in {*self._chains.current, *self._chains.former}:
            chains = [*self._chains.former.get(operation_id, ())]
            if operation_id in self._chains.current:
                chains.append(self._chains.current[operation_id])
            found[operation_id] = [execution for execution in chains if execution.tagged]
        return found

    def _listed(self) -> Mapping[UUID, Sequence[Execution]]:
        return self._live() if self._frozen is None else self._frozen

    def _state(self, operation_id: UUID, execution: Execution) -> ExecutionState:
        """Returns the listed state: an index does not distinguish waiting for a worker from running."""
        if operation_id in self._unknown:
            return ExecutionState.UNKNOWN
        return ExecutionState.RUNNING if execution.open else execution.state


def _changed(execution: Execution, since: datetime) -> bool:
    return execution.latest_start > since or (execution.closed_at is not None and execution.closed_at > since)


def _stalled(execution: Execution) -> bool:
    return execution.open and execution.problem is not None and execution.problem.kind is AttentionKind.STALLED

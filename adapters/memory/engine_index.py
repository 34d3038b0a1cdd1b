"""The index of the engine in memory: lists what there is now, or what there was when it was frozen."""

from collections.abc import Collection, Mapping
from datetime import datetime
from uuid import UUID

from adapters.memory.executions import Execution
from application.ports.workflow_engine import EngineUnavailable, IndexEntry, IndexPage
from domain.attention import AttentionKind
from domain.evidence import ExecutionState


class MemoryIndex:
    """Behind the engine as the real one is, by as much as a test wants."""

    def __init__(self, executions: Mapping[UUID, Execution], unknown: Collection[UUID], page_size: int) -> None:
        self._live = executions
        self._unknown = unknown
        self._frozen: Mapping[UUID, Execution] | None = None
        self._page_size = page_size

    def freeze(self) -> None:
        """Stay as it is now."""
        self._frozen = dict(self._live)

    def thaw(self) -> None:
        """Be up to date again."""
        self._frozen = None

    def changed_since(self, since: datetime, page: bytes | None, *, closed_only: bool = False) -> IndexPage:
        """See the port. A page token says which operation came last: what is deleted meanwhile moves nothing."""
        if page is not None and not page.isdigit():
            raise EngineUnavailable("something went wrong, please retry")
        last = int(page or b"-1")
        left = [
            IndexEntry(operation_id, self._state(operation_id, execution), execution.closed_at)
            for operation_id, execution in sorted(self._listed().items())
            if operation_id.int > last and _changed(execution, since) and not (closed_only and execution.open)
        ]
        entries = left[: self._page_size]
        more = len(left) > len(entries)
        return IndexPage(entries, str(entries[-1].operation_id.int).encode() if more else None)

    def with_problems(self) -> frozenset[UUID]:
        """See the port."""
        listed = self._listed().items()
        return frozenset(ours for ours, execution in listed if _stalled(execution))

    def _listed(self) -> Mapping[UUID, Execution]:
        return self._live if self._frozen is None else self._frozen

    def _state(self, operation_id: UUID, execution: Execution) -> ExecutionState:
        """An index does not tell one that waits for a worker from one that runs."""
        if operation_id in self._unknown:
            return ExecutionState.UNKNOWN
        return ExecutionState.RUNNING if execution.open else execution.state


def _changed(execution: Execution, since: datetime) -> bool:
    return execution.latest_start > since or (execution.closed_at is not None and execution.closed_at > since)


def _stalled(execution: Execution) -> bool:
    return execution.open and execution.trouble is not None and execution.trouble.kind is AttentionKind.STALLED

"""The index of the in-memory engine: lists the executions of now, or of when it was frozen."""

import re
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from adapters.memory.engine.chains import MemoryChains
from adapters.memory.engine.executions import MemoryExecution
from application.ports.engine.executions import UNPOLLED_QUEUE
from application.ports.engine.index import IndexEntry, IndexPage, QueryRefused, StartedRun, StartPage, Watch
from application.ports.engine.workflow_engine import EngineUnavailable
from domain.evidence.observation import ExecutionState
from domain.operation.attention import AttentionKind

_AFTER = b"after:"
_COMPARISON = re.compile(r"\s*(\w+)\s*=\s*'([^']*)'\s*")
"""The only form of query that this index understands."""


class MemoryIndex:
    """Lists executions. Lags behind the engine, as the real one does, while frozen."""

    def __init__(self, chains: MemoryChains, unknown: Collection[str], page_size: int) -> None:
        self._chains = chains
        self._unknown = unknown
        self._frozen: Mapping[str, Sequence[MemoryExecution]] | None = None
        self._page_size = page_size

    def freeze(self) -> None:
        """Keeps the current list."""
        self._frozen = self._live()

    def thaw(self) -> None:
        """Lists current executions again."""
        self._frozen = None

    def changed_since(
        self, since: datetime, page: bytes | None, *, closed_only: bool = False, watched: Collection[str] = ()
    ) -> IndexPage:
        """See the port. The page size counts workflow ids, each with all its entries.

        A page token names the last workflow id, so that deletions between pages move nothing."""
        last = _read_token(page)
        changed = {
            workflow_id: [
                execution
                for execution in chains
                if _changed(execution, since) and not (closed_only and execution.open) and _tracked(execution, watched)
            ]
            for workflow_id, chains in sorted(self._listed().items())
            if workflow_id > last
        }
        left = [workflow_id for workflow_id, chains in changed.items() if chains]
        listed = left[: self._page_size]
        entries = [self._entry(execution) for workflow_id in listed for execution in changed[workflow_id]]
        return IndexPage(entries, _AFTER + listed[-1].encode() if len(left) > len(listed) else None)

    def started_since(
        self, since: datetime, watches: Collection[Watch], page: bytes | None, until: datetime | None
    ) -> StartPage:
        """See the port. A page token names the last start, so that later ones move nothing."""
        last = _read_token(page)
        selects = [_Selection(watch) for watch in watches]
        started = {
            f"{execution.latest_start.isoformat(timespec='microseconds')} {execution.run_id}": execution
            for chains in self._listed().values()
            for execution in chains
            if execution.latest_start > since
            and (until is None or execution.latest_start <= until)
            and any(one.selects(execution) for one in selects)
        }
        left = sorted((key for key in started if not last or key < last), reverse=True)
        listed = left[: self._page_size]
        runs = [self._started(started[key]) for key in reversed(listed)]
        return StartPage(runs, _AFTER + listed[-1].encode() if len(left) > len(listed) else None)

    def selects(self, watch: Watch, run_id: str) -> bool:
        """See the port."""
        selection = _Selection(watch)
        listed = (execution for chains in self._listed().values() for execution in chains)
        return any(execution.run_id == run_id and selection.selects(execution) for execution in listed)

    def with_problems(self, watched: Collection[str]) -> list[IndexEntry]:
        """See the port."""
        return [
            self._entry(execution)
            for chains in self._listed().values()
            for execution in chains
            if _stalled(execution) and _tracked(execution, watched)
        ]

    def _live(self) -> Mapping[str, Sequence[MemoryExecution]]:
        """Returns the chains by workflow id, oldest first."""
        found = {}
        for workflow_id in {*self._chains.current, *self._chains.former}:
            chains = [*self._chains.former.get(workflow_id, ())]
            if workflow_id in self._chains.current:
                chains.append(self._chains.current[workflow_id])
            found[workflow_id] = [execution for execution in chains if execution.fields.task_queue != UNPOLLED_QUEUE]
        return found

    def _listed(self) -> Mapping[str, Sequence[MemoryExecution]]:
        return self._live() if self._frozen is None else self._frozen

    def _entry(self, execution: MemoryExecution) -> IndexEntry:
        return IndexEntry(
            execution.workflow_id,
            execution.run_id,
            execution.operation_id,
            self._state(execution),
            execution.closed_at,
        )

    def _started(self, execution: MemoryExecution) -> StartedRun:
        return StartedRun(
            execution.workflow_id,
            execution.run_id,
            execution.fields.workflow_type,
            execution.latest_start,
            self._state(execution),
            execution.operation_id,
        )

    def _state(self, execution: MemoryExecution) -> ExecutionState:
        """Returns the listed state: an index does not distinguish waiting for a worker from running."""
        if execution.workflow_id in self._unknown:
            return ExecutionState.UNKNOWN
        return ExecutionState.RUNNING if execution.open else execution.state


def _read_token(page: bytes | None) -> str:
    if page is not None and not page.startswith(_AFTER):
        raise EngineUnavailable("something went wrong, please retry")
    return (page or b"").removeprefix(_AFTER).decode()


def _changed(execution: MemoryExecution, since: datetime) -> bool:
    return execution.latest_start > since or (execution.closed_at is not None and execution.closed_at > since)


def _tracked(execution: MemoryExecution, watched: Collection[str]) -> bool:
    return execution.operation_id is not None or execution.fields.workflow_type in watched


class _Selection:
    """A watch whose query is understood. Raises QueryRefused for any other one."""

    def __init__(self, watch: Watch) -> None:
        self._workflow_type = watch.workflow_type
        self._wanted: tuple[str, str] | None = None
        if watch.query is not None:
            comparison = _COMPARISON.fullmatch(watch.query)
            if comparison is None:
                raise QueryRefused(f"invalid query: {watch.query}")
            self._wanted = comparison[1], comparison[2]

    def selects(self, execution: MemoryExecution) -> bool:
        """Returns whether the watch selects the execution."""
        if execution.fields.workflow_type != self._workflow_type:
            return False
        return self._wanted is None or execution.fields.attributes.get(self._wanted[0]) == self._wanted[1]


def _stalled(execution: MemoryExecution) -> bool:
    return execution.open and execution.problem is not None and execution.problem.kind is AttentionKind.STALLED

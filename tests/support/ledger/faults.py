"""Crashes between any two steps: wrappers of the ports that end the caller at a chosen point."""

from collections.abc import Awaitable, Callable, Collection
from datetime import datetime
from types import TracebackType
from typing import Any

from application.ports.engine.executions import Attached, Execution, InputRead
from application.ports.engine.index import IndexEntry, IndexPage, StartPage, Watch
from application.ports.engine.workflow_engine import CompletionCallback, StartRequest, WorkflowEngine
from application.ports.storage.unit_of_work import UnitOfWork
from domain.evidence.observation import Observation
from domain.operation.chain import Chain, Run, RunOrigin
from domain.operation.start.arguments import Arguments


class Crash(BaseException):
    """The process was killed here. A BaseException, because nothing in the process survives to handle it."""


class Faults:
    """Counts steps; crashes at the one that was armed."""

    def __init__(self) -> None:
        self._left: int | None = None

    def arm(self, after: int | None) -> None:
        """Crash at the step that follows `after` others; None: do not."""
        self._left = after

    def step(self) -> None:
        """A point where the process may be killed."""
        if self._left is None:
            return
        if self._left == 0:
            raise Crash
        self._left -= 1

    async def around(self, call: Callable[[], Awaitable[Any]]) -> Any:
        """Before the call, and after it took effect but before the caller knows."""
        self.step()
        answer = await call()
        self.step()
        return answer


class CrashingUnit:
    """A unit of work whose process may be killed around each of its statements."""

    def __init__(self, inner: Any, faults: Faults) -> None:
        self._inner = inner
        self._faults = faults
        self.operations = _Wrapped(inner.operations, faults)
        self.idempotency_keys = _Wrapped(inner.idempotency_keys, faults)
        self.watermarks = _Wrapped(inner.watermarks, faults)
        self.leases = _Wrapped(inner.leases, faults)
        self.bulk_actions = _Wrapped(inner.bulk_actions, faults)

    async def commit(self) -> None:
        await self._faults.around(self._inner.commit)

    async def __aenter__(self) -> UnitOfWork:
        await self._inner.__aenter__()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._inner.__aexit__(kind, error, trace)


class _Wrapped:
    def __init__(self, inner: Any, faults: Faults) -> None:
        self._inner = inner
        self._faults = faults

    def __getattr__(self, name: str) -> Any:
        method = getattr(self._inner, name)

        async def call(*args: Any, **named: Any) -> Any:
            return await self._faults.around(lambda: method(*args, **named))

        return call


class CrashingEngine:
    """The engine, called by a process that may be killed around each call."""

    def __init__(self, inner: WorkflowEngine, faults: Faults) -> None:
        self._inner = inner
        self._faults = faults

    async def start(self, request: StartRequest) -> str:
        run_id: str = await self._faults.around(lambda: self._inner.start(request))
        return run_id

    async def observe(self, chain: Chain, *, likely_closed: bool = False) -> Observation:
        observation: Observation = await self._faults.around(
            lambda: self._inner.observe(chain, likely_closed=likely_closed)
        )
        return observation

    async def origin(self, run: Run) -> RunOrigin | None:
        origin: RunOrigin | None = await self._faults.around(lambda: self._inner.origin(run))
        return origin

    async def describe(self, workflow_id: str, run_id: str | None = None) -> Execution | None:
        found: Execution | None = await self._faults.around(lambda: self._inner.describe(workflow_id, run_id))
        return found

    async def input_of(self, chain: Chain, arguments: Arguments, max_bytes: int) -> InputRead:
        read: InputRead = await self._faults.around(lambda: self._inner.input_of(chain, arguments, max_bytes))
        return read

    async def attach_callback(self, execution: Execution, callback: CompletionCallback) -> Attached:
        attached: Attached = await self._faults.around(lambda: self._inner.attach_callback(execution, callback))
        return attached

    async def changed_since(
        self,
        since: datetime,
        page: bytes | None = None,
        *,
        closed_only: bool = False,
        watched: Collection[str] = (),
    ) -> IndexPage:
        found: IndexPage = await self._faults.around(
            lambda: self._inner.changed_since(since, page, closed_only=closed_only, watched=watched)
        )
        return found

    async def started_since(
        self,
        since: datetime,
        watches: Collection[Watch],
        page: bytes | None = None,
        *,
        until: datetime | None = None,
    ) -> StartPage:
        found: StartPage = await self._faults.around(
            lambda: self._inner.started_since(since, watches, page, until=until)
        )
        return found

    async def selects(self, watch: Watch, run_id: str) -> bool:
        selected: bool = await self._faults.around(lambda: self._inner.selects(watch, run_id))
        return selected

    async def with_problems(self, *, watched: Collection[str] = ()) -> list[IndexEntry]:
        found: list[IndexEntry] = await self._faults.around(lambda: self._inner.with_problems(watched=watched))
        return found

    async def cancel(self, chain: Chain, reason: str) -> None:
        await self._faults.around(lambda: self._inner.cancel(chain, reason))

    async def terminate(self, chain: Chain, reason: str) -> None:
        await self._faults.around(lambda: self._inner.terminate(chain, reason))

    async def ping(self) -> None:
        await self._inner.ping()

    async def check_callback(self, callback: CompletionCallback) -> None:
        await self._inner.check_callback(callback)

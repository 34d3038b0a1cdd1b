"""Watches for executions that others start, and adopts those that a rule selects, within seconds."""

import asyncio
import logging
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta

from application.adopt.adopt import Adoption, AdoptOperation, ExecutionNotFound, ExecutionOfOtherType
from application.adopt.rules import WatchRule, grouped, watch_rules
from application.adopt.watch_progress import WatchProgress, WatchRound
from application.batching.step_result import StepResult
from application.ports.clock import Clock
from application.ports.engine.executions import Execution
from application.ports.engine.index import QueryRefused, StartedRun
from application.ports.engine.workflow_engine import EngineUnavailable, WorkflowEngine
from application.ports.monitoring.metrics import AdoptionWay, Metrics
from application.ports.storage.unit_of_work import DatabaseUnavailable, UnitOfWorkFactory
from domain.errors import InvalidInput
from domain.operation.chain import Run
from domain.operation.operation import Operation
from domain.operation.operation_type import OperationCatalogue
from domain.operation.origin import Origin
from domain.operation.status import OperationStatus

OVERLAP = timedelta(seconds=10)
"""How far before the mark a round starts to read: the index lags by seconds, and the clocks of engine and database
differ."""
LATE = timedelta(minutes=1)
"""How late the index may list a start: it lags longer while the engine recovers. One round in this time reads further
back."""
REACH = 2 * LATE + OVERLAP
"""How far before the mark that round starts to read. A start that is listed late waits for it for up to LATE."""
PAUSE = timedelta(seconds=0.25)
"""Wait between two pages: Temporal allows a namespace 10 list calls a second, of all clients together."""
MIN_WINDOW = timedelta(seconds=10)
MAX_WINDOW = timedelta(hours=6)
"""The mark moves after each window of starts, so that an interruption loses little. A window doubles while it fits into
one page, and halves otherwise."""
CHUNK = 64
"""Runs that are adopted between two extensions of the lease."""
CONCURRENCY = 8
"""Runs that are adopted at the same time."""
RETRY_RULE_AFTER = timedelta(minutes=1)
"""Time for which a rule is left out after the engine refused its query."""
MAX_CODEC_WAIT = timedelta(minutes=1)
"""Age of a run up to which it waits for the codec of its input. Then it is adopted without its input."""
MAX_TRIES = 10
"""Rounds in which an adoption may fail for an unexpected reason. Then it is given up."""
REFUSALS = (ExecutionNotFound, ExecutionOfOtherType, InvalidInput)
"""Errors about one execution, which a repeat does not change."""
_log = logging.getLogger(__name__)


class WatchRules:
    """Watches while this worker holds the lease. The cost is one list call a round and a few requests for each new run,
    however many executions run.

    A rule adopts chains that start after the first round. Earlier ones, and operations that were deleted since, are
    adopted on request only.
    """

    def __init__(
        self,
        units: UnitOfWorkFactory,
        engine: WorkflowEngine,
        clock: Clock,
        catalogue: OperationCatalogue,
        adopter: AdoptOperation,
        metrics: Metrics,
        every: timedelta,
        *,
        pause: timedelta = PAUSE,
    ) -> None:
        """`every`: time from a round to the next; `pause`: wait between two pages."""
        self._units = units
        self._engine = engine
        self._clock = clock
        self._rules = watch_rules(catalogue)
        self._adopter = adopter
        self._metrics = metrics
        self._progress = WatchProgress(units, every)
        self._pause = pause
        self._gate = asyncio.Semaphore(CONCURRENCY)
        self._window = MIN_WINDOW
        self._settled: dict[str, datetime] = {}
        """Runs that need nothing more, and when they started."""
        self._refused_until: dict[str, datetime] = {}
        """By type: when a query that the engine refused is tried again."""
        self._failing: dict[str, datetime] = {}
        """Runs whose adoption has failed in this round and is to be tried again, and when they started."""
        self._tries: dict[str, int] = {}
        """By run: rounds in which its adoption has failed."""
        self._read_late_at: datetime | None = None
        """Begin of the last round that has read from REACH before its mark."""
        self._floor: datetime | None = None
        """Chains that began before are not adopted. It stays until a round has caught up with the present, whichever
        worker does so: the index no longer lists the first run of a chain that has continued as new meanwhile."""

    async def step(self, limit: int) -> StepResult:
        """Reads the starts since the mark unless another worker holds the lease. The result counts the adopted
        executions. `limit` is not used."""
        begun = await self._progress.begin() if self._rules else None
        if begun is None:
            return StepResult(0)
        try:
            result = StepResult(await self._read(begun), engine_asked=True)
        except EngineUnavailable:
            result = StepResult(0, engine_available=False)
        await self._progress.end()
        return result

    async def _read(self, begun: WatchRound) -> int:
        reads_late = self._read_late_at is None or begun.now - self._read_late_at >= LATE
        since, adopted = begun.mark - (REACH if reads_late else OVERLAP), 0
        self._floor, self._failing = begun.caught_up - REACH, {}
        self._settled = {run: started for run, started in self._settled.items() if started > begun.mark - REACH}
        while True:
            until = min(max(begun.mark, since) + self._window, begun.now)
            pages, found = await self._read_window(since, until)
            adopted += found
            at_end = until >= begun.now
            # The mark stays where an adoption has failed, so that the next round lists the run again.
            await self._progress.advance(min((until, *self._failing.values())), caught_up=at_end and not self._failing)
            if at_end:
                if reads_late:
                    self._read_late_at = begun.now
                self._window = MIN_WINDOW
                self._tries = {run: tries for run, tries in self._tries.items() if run in self._failing}
                return adopted
            self._window = max(MIN_WINDOW, min(MAX_WINDOW, self._window * 2 if pages <= 1 else self._window / 2))
            since = until

    async def _read_window(self, since: datetime, until: datetime) -> tuple[int, int]:
        """Adopts the starts after `since` and not after `until`. Returns the largest number of pages that a group of
        rules took, and the number of adopted executions."""
        most, adopted = 0, 0
        groups = grouped(rule for rule in self._rules if not self._left_out(rule))
        while groups:
            group = groups.pop()
            try:
                pages, found = await self._read_group(group, since, until)
            except QueryRefused as refusal:
                # One of the rules is at fault: each is tried by itself.
                if len(group) > 1:
                    groups += [[rule] for rule in group]
                else:
                    self._refuse(group[0], str(refusal))
                continue
            most, adopted = max(most, pages), adopted + found
        return most, adopted

    async def _read_group(self, group: Sequence[WatchRule], since: datetime, until: datetime) -> tuple[int, int]:
        watches, rules = [rule.watch for rule in group], {rule.type.workflow: rule for rule in group}
        pages, adopted, page = 0, 0, None
        while True:
            starts = await self._engine.started_since(since, watches, page, until=until)
            pages += 1
            fresh = [run for run in starts.runs if run.run_id not in self._settled]
            for chunk in _chunks(fresh):
                adopted += await self._adopt_all(chunk, rules)
                await self._progress.extend()
            page = starts.next_page
            if page is None:
                return pages, adopted
            await self._progress.extend()
            await asyncio.sleep(self._pause.total_seconds())

    async def _adopt_all(self, runs: Sequence[StartedRun], rules: dict[str, WatchRule]) -> int:
        """Returns the number of adopted runs. Raises EngineUnavailable, DatabaseUnavailable after all were tried."""
        known = await self._known(runs)
        unknown = [run for run in runs if run.run_id not in known]
        self._settled |= {run.run_id: run.started_at for run in runs if run.run_id in known}
        tried = await asyncio.gather(
            *(self._adopt(run, rules[run.workflow_type]) for run in unknown), return_exceptions=True
        )
        for result in tried:
            if isinstance(result, BaseException):
                raise result
        return sum(result is True for result in tried)

    async def _known(self, runs: Sequence[StartedRun]) -> set[str]:
        """Returns the runs that need no description: they are operations, and no callback is to be attached."""
        ids = {run.operation_id for run in runs if run.operation_id is not None}
        async with self._units() as unit:
            by_id = await unit.operations.get_all(ids) if ids else {}
            named = await unit.operations.under_workflow_ids({run.workflow_id for run in runs})
        known = set()
        for run in runs:
            rows = list(named.get(run.workflow_id, ()))
            if run.operation_id in by_id:
                rows.append(by_id[run.operation_id])
            if any(_is_settled(row, run) for row in rows):
                known.add(run.run_id)
        return known

    async def _adopt(self, run: StartedRun, rule: WatchRule) -> bool:
        """Returns whether the run's chain was adopted. A run that cannot be adopted does not stop the others."""
        async with self._gate:
            try:
                adopted = await self._describe_and_adopt(run, rule)
            except (EngineUnavailable, DatabaseUnavailable):
                raise
            except REFUSALS as refusal:
                _log.info("the watch rule of type %s adopts no %r: %s", rule.type.name, run.workflow_id, refusal)
                adopted = False
            except Exception:
                if self._is_tried_again(run, rule):
                    return False
                adopted = False
            self._settled[run.run_id] = run.started_at
            return adopted

    def _is_tried_again(self, run: StartedRun, rule: WatchRule) -> bool:
        """Whether the next round tries the adoption again that has just raised an exception."""
        tries = self._tries[run.run_id] = self._tries.get(run.run_id, 0) + 1
        if tries == 1:
            _log.exception("the watch rule of type %s cannot adopt %r yet", rule.type.name, run.workflow_id)
        if tries >= MAX_TRIES:
            _log.error("the watch rule of type %s gives %r up", rule.type.name, run.workflow_id)
            return False
        self._failing[run.run_id] = run.started_at
        return True

    async def _describe_and_adopt(self, run: StartedRun, rule: WatchRule) -> bool:
        execution = await self._engine.describe(run.workflow_id, run.run_id)
        if execution is None or self._began_before(execution):
            return False
        await self._adopt_parent(execution)
        waits = self._clock.now() - run.started_at < MAX_CODEC_WAIT
        return (await self._adopter.take(execution, self._adoption(rule, wait_for_codec=waits))).new

    async def _adopt_parent(self, execution: Execution) -> None:
        """Adopts the parent first if its workflow type is watched, so that the child can name it."""
        if execution.parent is None or not await self._is_unknown(execution.parent):
            return
        parent = await self._engine.describe(execution.parent.workflow_id, execution.parent.run_id)
        if parent is None or self._began_before(parent):
            return
        of_type = (rule for rule in self._rules if rule.type.workflow == parent.workflow_type)
        rule = next((rule for rule in of_type if rule.type.query is None), None)
        if rule is not None:
            await self._adopt_parent(parent)
            with suppress(*REFUSALS):
                await self._adopter.take(parent, self._adoption(rule, wait_for_codec=False))

    def _began_before(self, execution: Execution) -> bool:
        began, floor = execution.started_at, self._floor
        return began is not None and floor is not None and began <= floor

    async def _is_unknown(self, run: Run) -> bool:
        """Whether the run may belong to no operation. One that began with another run may be of an earlier chain, even
        if it is open: the ledger may not know of the end yet."""
        async with self._units() as unit:
            rows = (await unit.operations.under_workflow_ids({run.workflow_id})).get(run.workflow_id, ())
        return not any(row.first_run_id == run.run_id or (not row.done and row.first_run_id is None) for row in rows)

    def _adoption(self, rule: WatchRule, *, wait_for_codec: bool) -> Adoption:
        return Adoption(rule.tenant, rule.type, AdoptionWay.RULE, wait_for_codec=wait_for_codec)

    def _left_out(self, rule: WatchRule) -> bool:
        until = self._refused_until.get(rule.type.name)
        return until is not None and self._clock.now() < until

    def _refuse(self, rule: WatchRule, reason: str) -> None:
        """Leaves the rule out for a while. It does not adopt what starts meanwhile; the other rules go on."""
        name = rule.type.name
        _log.error("Temporal refuses the query of the watch rule of type %s, which adopts nothing: %s", name, reason)
        self._metrics.rule_refused(name)
        self._refused_until[name] = self._clock.now() + RETRY_RULE_AFTER


def _is_settled(row: Operation, run: StartedRun) -> bool:
    """Whether the run is known to be the operation's and needs nothing more."""
    if row.workflow_id != run.workflow_id:
        return False
    own = row.id == run.operation_id if row.first_run_id is None else row.first_run_id == run.run_id
    followed = row.dispatch.calls_back and row.status is not OperationStatus.ACCEPTED
    return own and (row.done or row.origin is Origin.LEDGER or followed)


def _chunks(runs: Sequence[StartedRun]) -> Iterator[Sequence[StartedRun]]:
    for start in range(0, len(runs), CHUNK):
        yield runs[start : start + CHUNK]

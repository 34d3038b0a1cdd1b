"""What clients, workers, the ledger and others do under shared workflow ids."""

import asyncio
import contextlib
from dataclasses import replace

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from adapters.memory.engine.engine_controls import UNTAGGED
from application.ports.monitoring.metrics import CallbackOutcome
from application.submit.submission import Submission, Submitted
from domain.errors import OperationAlreadyDone, WorkflowIdConflict
from domain.operation.report import Report, ReportKind
from tests.simulation.processes import Fate
from tests.simulation.workflow_ids.world import MACHINES, NAMES, NOT_OURS, OURS, TENANTS, TYPES, NamedWorld
from tests.simulation.world import FATES, PICKS, one

KINDS = st.sampled_from([kind.name for kind in TYPES])
REQUESTS = st.builds(
    lambda kind, machine, tenant, key: Submission(tenant, kind, {"machine": machine}, idempotency_key=key),
    KINDS,
    st.sampled_from(MACHINES),
    st.sampled_from([*TENANTS[:1] * 4, TENANTS[1]]),
    st.none(),
)


class Clients(NamedWorld):
    """Submit, alone, together and at once; cancel."""

    @rule(requests=st.lists(REQUESTS, min_size=1, max_size=3), fate=FATES)
    def submit(self, requests: list[Submission], fate: Fate | None) -> None:
        answers = self.process(self.submitted(*requests), fate)
        for request, answer in zip(requests, answers or [], strict=answers is not None):
            self.is_a_fair_answer(request, answer)

    @rule(one_request=REQUESTS, other=REQUESTS)
    def submit_at_once(self, one_request: Submission, other: Submission) -> None:
        """Two transactions that race."""

        async def race() -> list[list[Submitted | WorkflowIdConflict]]:
            return list(await asyncio.gather(self.submitted(one_request), self.submitted(other)))

        for request, [answer] in zip((one_request, other), self.process(race()), strict=True):
            self.is_a_fair_answer(request, answer)

    @precondition(lambda self: self.rows)
    @rule(pick=PICKS, force=st.booleans(), fate=FATES)
    def cancel(self, pick: int, force: bool, fate: Fate | None) -> None:
        row = one(list(self.rows.values()), pick)

        async def ask() -> None:
            with contextlib.suppress(OperationAlreadyDone):
                await self.ledger.canceller.cancel(row.tenant, row.id, reason="r", force=force)

        self.process(ask(), fate)

    def is_a_fair_answer(self, request: Submission, answer: Submitted | WorkflowIdConflict) -> None:
        """P8: an operation of the tenant's own and of the workflow type, or a conflict that names none of another
        tenant."""
        if isinstance(answer, Submitted):
            assert answer.operation.id in self.rows
            assert answer.operation.tenant == request.tenant
            assert self.catalogue.workflow_of(answer.operation.type) == OURS
        elif answer.operation_id is not None:
            assert self.rows[answer.operation_id].tenant == request.tenant


class Loops(NamedWorld):
    """The ledger's own work, by processes that may be killed or stand still."""

    @rule(fate=FATES)
    def dispatch(self, fate: Fate | None) -> None:
        self.dispatch_all(fate)

    @rule()
    def dispatch_and_follow_up(self) -> None:
        """Undisturbed, as most of the time."""
        self.dispatch_all()
        self.follow_all_up()

    @rule(fate=FATES)
    def follow_up(self, fate: Fate | None) -> None:
        self.follow_all_up(fate)

    @rule(fate=FATES)
    def reconcile(self, fate: Fate | None) -> None:
        self.process(self.ledger.whole_pass(), fate)

    @rule(fate=FATES)
    def verify(self, fate: Fate | None) -> None:
        self.process(self.ledger.verify(100), fate)

    @rule(seconds=st.sampled_from([1, 5, 31, 61, 601]))
    def pass_time(self, seconds: int) -> None:
        self.advance(seconds=seconds)

    @precondition(lambda self: self.processes.still)
    @rule(pick=PICKS, killed=st.booleans(), fate=FATES)
    def go_on(self, pick: int, killed: bool, fate: Fate | None) -> None:
        """What stood still goes on, or is killed."""
        process = one(self.processes.still, pick)
        if killed:
            self.processes.kill(process)
        else:
            self.processes.resume(process, fate)

    @precondition(lambda self: self.callbacks)
    @rule(pick=PICKS, lost=st.booleans(), fate=FATES)
    def call_back(self, pick: int, lost: bool, fate: Fate | None) -> None:
        pending = one(self.callbacks, pick)
        outcome = None if lost else self.process(self.ledger.call_back(pending), fate)
        if lost or outcome not in (None, CallbackOutcome.UNKNOWN_OPERATION):
            self.callbacks.remove(pending)


class Engine(NamedWorld):
    """Workers, the engine's weather, and other clients."""

    @precondition(lambda self: self.open_names)
    @rule(pick=PICKS, what=st.sampled_from(["pick_up", "complete", "fail", "terminate", "continue", "report"]))
    def run(self, pick: int, what: str) -> None:
        """Every result is another one."""
        name = one(self.open_names, pick)
        self.results += 1
        match what:
            case "pick_up":
                self.world.pick_up(name)
            case "complete":
                self.world.complete(name, {"result": self.results})
            case "fail":
                self.world.fail(name, f"failure {self.results}")
            case "terminate":
                self.world.terminate_from_outside(name, f"termination {self.results}", "operator")
            case "continue":
                self.world.pick_up(name)
                self.world.continue_as_new(name)
            case _:
                found = self.world._executions[name]
                if found.operation_id is not None:
                    self.world.pick_up(name)
                    report = Report(ReportKind.STARTED, self.now)
                    run = self.world.latest_run(name)
                    self.process(self.ledger.reports.receive(found.operation_id, report, run))

    @rule(request=REQUESTS, completes=st.booleans(), asked=st.booleans())
    def go_well(self, request: Submission, completes: bool, asked: bool) -> None:
        """An operation is accepted, started and run; the ledger learns of it now or later."""
        [answer] = self.process(self.submitted(request))
        self.dispatch_all()
        if not isinstance(answer, Submitted) or answer.operation.workflow_id not in self.open_names:
            return
        name = answer.operation.workflow_id
        self.results += 1
        self.world.pick_up(name)
        if completes:
            self.world.complete(name, {"result": self.results})
        if asked:
            self.advance(seconds=11)
            self.follow_all_up()

    @rule(name=st.sampled_from(NAMES), kind=st.sampled_from([OURS, OURS, NOT_OURS]))
    def start_from_outside(self, name: str, kind: str) -> None:
        """Another client starts an execution under the workflow id, where none is open."""
        if name not in self.open_names:
            self.world.start_from_outside(name, replace(UNTAGGED, workflow_type=kind))

    @precondition(lambda self: self.open_names)
    @rule(pick=PICKS)
    def take_over(self, pick: int) -> None:
        """Another client starts with TERMINATE_EXISTING."""
        self.world.supersede(one(self.open_names, pick), replace(UNTAGGED, workflow_type=OURS))

    @precondition(lambda self: self.open_names)
    @rule(pick=PICKS)
    def lose(self, pick: int) -> None:
        self.world.lose(one(self.open_names, pick))

    @precondition(lambda self: not self.world._lose_next_reply)
    @rule()
    def lose_next_reply(self) -> None:
        self.world.lose_next_reply()

    @precondition(lambda self: not self.world._next_refusals)
    @rule()
    def fail_next(self) -> None:
        self.world.fail_next("later")

    @rule(seconds=st.sampled_from([0, 0, 5, 61]))
    def go_down(self, seconds: int) -> None:
        """The engine is away for a while; the ledger's processes go on."""
        self.world.go_down()
        self.dispatch_all()
        self.follow_all_up()
        self.advance(seconds=seconds)
        self.world.come_back()

    @rule(refuse=st.booleans())
    def refuse_callbacks(self, refuse: bool) -> None:
        self.world.refuse_callbacks(refuse)

"""The ways in beside the submission: adopt call, watch rule, reports of workers, and the records of clients."""

import contextlib
from dataclasses import replace
from datetime import timedelta
from typing import Any
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from adapters.memory.engine.executions import StartFields
from application.adopt.adopt import ExecutionNotFound, ExecutionOfOtherType
from application.submit.record_start import ClientStart, RecordedStart
from application.submit.submission import Submission
from application.track.record import Recorded
from domain.errors import InvalidInput, WorkflowIdInUse
from domain.evidence.start_report import StartReport, StartReportKind
from domain.operation.chain import Run
from domain.operation.origin import Origin
from domain.operation.report import Progress, Report, ReportKind
from domain.operation.start.workflow_id_policy import OnRunning
from tests.simulation.adoption.world import (
    ALL_NAMES,
    PAYROLL,
    SKEWS,
    SLOWEST,
    UNDECLARED,
    WATCHED,
    AdoptingWorld,
    Letter,
    StartLetter,
    own_adopted_id,
    untagged,
)
from tests.simulation.processes import Fate, Process
from tests.simulation.workflow_ids.world import MACHINES, NOT_OURS, OURS, TENANTS, name_of
from tests.simulation.world import FATES, PICKS, one

REPORTS = st.sampled_from([ReportKind.STARTED, ReportKind.PROGRESS])
SENDERS = st.sampled_from([None, "default", "default", "another"])
MEANWHILE = st.sampled_from(
    ["delete", "delete", "terminate", "complete", "continue", "take over", "adopt", "use", "use"]
)


class Ledger(AdoptingWorld):
    """Adoption by call and by rule."""

    @rule(fresh=st.booleans(), fate=FATES, ahead=SKEWS)
    def watch(self, fresh: bool, fate: Fate | None, ahead: timedelta) -> None:
        """A round, of the same worker or of another one; a killed one leaves its lease."""
        if fresh or fate is not None:
            self.ledger.watch_rules = self.ledger.new_watcher()
        self.advance(seconds=1)
        self.watch_round(fate, ahead)
        if fate is not None:
            self.ledger.watch_rules = self.ledger.new_watcher()

    @rule(
        name=st.sampled_from(ALL_NAMES),
        pick=st.none() | PICKS,
        tenant=st.sampled_from(TENANTS),
        kind=st.sampled_from([WATCHED.name, PAYROLL.name]),
        fate=FATES,
        ahead=SKEWS,
    )
    def adopt(self, name: str, pick: int | None, tenant: str, kind: str, fate: Fate | None, ahead: timedelta) -> None:
        """A client asks for the latest execution, or for that of some run."""
        runs = [run.run_id for run in self.world._chains._runs if run.workflow_id == name]
        run_id = one(runs, pick) if runs and pick is not None else None
        self.process(self.adopted(tenant, kind, name, run_id), fate, ahead)

    async def adopted(self, tenant: str, kind: str, name: str, run_id: str | None) -> None:
        """P8: the answer is an operation of the tenant, and of the execution."""
        with contextlib.suppress(ExecutionNotFound, ExecutionOfOtherType, InvalidInput):
            answer = (await self.ledger.adopter.adopt(tenant, kind, name, run_id)).operation
            assert (answer.tenant, answer.type, answer.workflow_id) == (tenant, kind, name)
            if answer.first_run_id is not None:
                self.promised.add(answer.first_run_id)
            else:  # the client recorded it by a clock that is ahead: the engine's answer seems to be older
                assert answer.origin is Origin.CLIENT
                assert answer.updated_at > self.now + SLOWEST, f"{answer} has no execution"

    @rule(name=st.sampled_from(ALL_NAMES), at=st.integers(0, 14), what=MEANWHILE, rounds=st.booleans())
    def interfere(self, name: str, at: int, what: str, rounds: bool) -> None:
        """An adoption stands still at some step, and goes on after something has happened to the execution."""
        before = list(self.processes.still)
        if rounds:
            self.ledger.watch_rules = self.ledger.new_watcher()
            self.advance(seconds=1)
            self.watch_round(Fate(False, at))
            self.ledger.watch_rules = self.ledger.new_watcher()
        else:
            current = self.world._executions.get(name)
            of_work = current is None or current.fields.workflow_type == OURS
            kind = WATCHED.name if of_work else PAYROLL.name
            self.process(self.adopted("default", kind, name, None), Fate(False, at))
        self._meanwhile(name, what)
        self._resume_all_but(before)

    @rule(name=st.sampled_from(ALL_NAMES))
    def start_listed_late(self, name: str) -> None:
        """The index does not show a start yet when a round has read past it."""
        if name not in self.open_names:
            self.freeze()
            self.world.start_from_outside(name, untagged(OURS))
            self.advance(seconds=2)
            self.watch_round()
            self.thaw()

    @rule(name=st.sampled_from(ALL_NAMES), at=st.integers(10, 17))
    def adopt_and_delete(self, name: str, at: int) -> None:
        """The execution is deleted while its callback is attached."""
        before = list(self.processes.still)
        if name not in self.open_names:
            self.world.start_from_outside(name, untagged(OURS))
            self.process(self.adopted("default", WATCHED.name, name, None), Fate(False, at))
            self.world.delete(name)
            self._resume_all_but(before)

    @rule(machine=st.sampled_from(MACHINES), at=st.integers(6, 15), first=st.sampled_from(["adopt", "use"]))
    def adopt_and_use(self, machine: str, at: int, first: str) -> None:
        """An adoption and a submission find the same execution, which is no operation yet; either comes first."""
        name, before = name_of(machine), list(self.processes.still)
        if name in self.open_names:
            return
        self.world.start_from_outside(name, untagged(OURS))
        if first == "adopt":
            self.process(self.adopted("default", WATCHED.name, name, None), Fate(False, at))
            self._use(name)
        else:
            self._submit_user(machine)
            self.process(self.ledger.dispatch(100), Fate(False, at))
            self.process(self.adopted("default", WATCHED.name, name, None))
        self._resume_all_but(before)

    def _resume_all_but(self, before: list[Process]) -> None:
        for process in [each for each in self.processes.still if each not in before]:
            self.processes.resume(process, None)

    def _use(self, name: str) -> None:
        """A submission meets the execution, and uses it."""
        machine = next((each for each in MACHINES if name_of(each) == name), None)
        if machine is not None:
            self._submit_user(machine)
            self.dispatch_all()

    def _submit_user(self, machine: str) -> None:
        self.process(self.submitted(Submission("default", "use_existing.allow", {"machine": machine})))

    def _meanwhile(self, name: str, what: str) -> None:
        if name not in self.open_names:
            return
        match what:
            case "delete":
                self.world.delete(name)
            case "terminate":
                self.world.terminate_from_outside(name, "meanwhile", "operator")
            case "take over":
                self.world.supersede(name, untagged(OURS))
            case "adopt":
                self.process(self.adopted("default", WATCHED.name, name, None))
            case "use":
                self._use(name)
            case _:
                self.world.pick_up(name)
                if what == "complete":
                    self.world.complete(name, {"meanwhile": 1})
                else:
                    self.world.continue_as_new(name)


class Workers(AdoptingWorld):
    """Reports of the plugin, from any run, in any order, twice or never."""

    @precondition(lambda self: self.open_names)
    @rule(pick=PICKS, kind=REPORTS, tenant=SENDERS, at_once=st.booleans(), fate=FATES, ahead=SKEWS)
    def report(
        self, pick: int, kind: ReportKind, tenant: str | None, at_once: bool, fate: Fate | None, ahead: timedelta
    ) -> None:
        """A worker takes the execution, whose run reports for the operation that it believes it is."""
        name = one(self.open_names, pick)
        self.world.pick_up(name)
        self.world.remember()
        chain = self.world._executions[name]
        progress = Progress(0.5, chain.first_run_id) if kind is ReportKind.PROGRESS else None
        report = Report(kind, self.now, progress=progress)
        letter = Letter(self.operation_of(chain), report, self.reported(chain), tenant)
        if at_once:
            self.receive(letter, fate, ahead)
        else:
            self.letters.append(letter)

    @precondition(lambda self: self.letters)
    @rule(pick=PICKS, what=st.sampled_from(["once", "again later", "lost"]), fate=FATES, ahead=SKEWS)
    def deliver(self, pick: int, what: str, fate: Fate | None, ahead: timedelta) -> None:
        """Also after the run has closed, was reset, or is gone."""
        letter = one(self.letters, pick)
        if what != "again later":
            self.letters.remove(letter)
        if what != "lost":
            self.receive(letter, fate, ahead)

    def receive(self, letter: Letter, fate: Fate | None, ahead: timedelta) -> None:
        """A report that was taken has an operation, of a tenant that the sender may report for."""
        run, execution = letter.execution.run, letter.execution

        async def received() -> None:
            arguments: dict[str, Any] = {"execution": execution, "tenant": letter.tenant}
            recorded = await self.ledger.reports.receive(letter.operation_id, letter.report, run, **arguments)
            if recorded in (Recorded.RECORDED, Recorded.IGNORED):
                self.promised.add(execution.first_run_id)

        others = {row.id: row for row in self.rows.values() if letter.tenant not in (None, row.tenant)}
        self.process(received(), fate, ahead)
        for operation_id, row in others.items():
            assert self.rows[operation_id] is row, f"{row} was changed by a worker of the tenant {letter.tenant}"

    @precondition(lambda self: self.rows and self.chains)
    @rule(pick=PICKS, other=PICKS, kind=REPORTS)
    def report_for_another(self, pick: int, other: int, kind: ReportKind) -> None:
        """A run of another chain reports for an operation, or says that it is a run of the operation's chain."""
        row, chain = one(list(self.rows.values()), pick), one(self.chains, other)
        if row.first_run_id in (None, chain.first_run_id):
            return
        assert row.first_run_id is not None
        forged = Report(kind, self.now, progress=Progress(0.77, "another's"))
        claimed = replace(self.reported(chain), workflow_id=row.workflow_id, first_run_id=row.first_run_id)
        for run in (Run(chain.workflow_id, chain.run_id), Run(row.workflow_id, chain.run_id)):
            self.process(self.ledger.reports.receive(row.id, forged, run, execution=claimed))
        assert self.rows[row.id] is row, f"{row} was changed by {chain}"


class Recorders(AdoptingWorld):
    """Clients with the plugin: the record, the start that follows or not, and what the client says of it."""

    @rule(
        name=st.sampled_from(ALL_NAMES),
        tenant=st.sampled_from([*TENANTS[:1] * 3, TENANTS[1]]),
        kind=st.sampled_from([OURS, NOT_OURS, UNDECLARED]),
        policy=st.sampled_from(OnRunning),
        starts=st.sampled_from([True, True, True, False]),
        told=st.sampled_from(["at once", "at once", "later", "never"]),
        fate=FATES,
        ahead=SKEWS,
    )
    def start_as_client(
        self,
        name: str,
        tenant: str,
        kind: str,
        policy: OnRunning,
        starts: bool,
        told: str,
        fate: Fate | None,
        ahead: timedelta,
    ) -> None:
        """If the ledger does not answer, the workflow starts without a record."""
        request = ClientStart(tenant, kind, name, on_running=policy, input={"client": self.results})
        operation_id: UUID | None = None
        answer: RecordedStart | None = self.process(self.recorded(request), fate, ahead)
        if answer is not None:
            assert answer.operation.tenant == tenant
            operation_id = answer.operation.id if answer.new else None
        if not starts or not self.world._up:
            return
        report = self._started(name, replace(untagged(kind), operation_id=operation_id), policy)
        if operation_id is not None and told != "never":
            letter = StartLetter(operation_id, report, tenant)
            if told == "later":
                self.start_letters.append(letter)
            else:
                self.receive_start(letter, None, ahead)

    async def recorded(self, request: ClientStart) -> RecordedStart | None:
        """None if the workflow id is in use: then Temporal decides about the start."""
        named = None
        try:
            return await self.ledger.api.record().record(request)
        except WorkflowIdInUse as conflict:
            named = conflict.operation_id
        assert named is None or self.rows[named].tenant == request.tenant, "the operation of another tenant is named"
        return None

    def _started(self, name: str, fields: StartFields, policy: OnRunning) -> StartReport:
        """What Temporal makes of the start, by the client's policy."""
        present = name in self.open_names
        if present and policy is OnRunning.REJECT:
            return StartReport(StartReportKind.START_REJECTED, self.now, message="already started")
        if present and policy is OnRunning.TERMINATE:
            self.world.supersede(name, fields)
        elif not present:
            self.world.start_from_outside(name, fields)
        execution = self.reported(self.world._executions[name])
        return StartReport(StartReportKind.DISPATCHED, self.now, execution=execution)

    @precondition(lambda self: self.start_letters)
    @rule(pick=PICKS, again=st.booleans(), fate=FATES, ahead=SKEWS)
    def deliver_start(self, pick: int, again: bool, fate: Fate | None, ahead: timedelta) -> None:
        letter = one(self.start_letters, pick)
        if not again:
            self.start_letters.remove(letter)
        self.receive_start(letter, fate, ahead)

    def receive_start(self, letter: StartLetter, fate: Fate | None, ahead: timedelta) -> None:
        """Also one that tells of an execution that runs already, which becomes another operation."""
        receive = self.ledger.api.start_reports().receive

        async def received() -> None:
            told = await receive(letter.operation_id, letter.report, letter.tenant, "client")
            execution = letter.report.execution
            if told.operation_id is None or execution is None:
                return
            self.promised.add(execution.first_run_id)
            named = self.rows.get(told.operation_id)
            assert named is None or named.tenant == letter.tenant, f"{named} is another tenant's"
            assert named is None or named.first_run_id in (None, execution.first_run_id), f"{named} has another chain"

        self.process(received(), fate, ahead)

    @precondition(lambda self: self.chains)
    @rule(pick=PICKS, fate=FATES, tenant=st.sampled_from(TENANTS))
    def report_an_unrecorded_start(self, pick: int, fate: Fate | None, tenant: str) -> None:
        """Temporal took a start that could not be recorded: the client says which execution it is."""
        chain = one(self.chains, pick)
        report = StartReport(StartReportKind.DISPATCHED, self.now, execution=self.reported(chain))
        self.receive_start(StartLetter(own_adopted_id(chain), report, tenant), fate, timedelta())

"""The machine: clients, workers and the pieces of bulk actions, and what must hold after every step (P10)."""

from collections import Counter
from datetime import timedelta
from uuid import UUID

from hypothesis import strategies as st
from hypothesis.stateful import invariant, precondition, rule

from application.bulk.bulk_operations import Confirmation
from application.bulk.perform import BulkActionEnded, PieceHandled
from application.ports.storage.operation_queries import OperationFilter
from application.submit.retry import Retry
from application.submit.submission import Submission
from domain.bulk.bulk_action import MAX_UNCONFIRMED, BulkTerms, BulkVerb
from domain.bulk.target import Target, TargetOutcome
from domain.errors import InvalidInput, OperationAlreadyDone, OperationAlreadyRetried
from domain.operation.acknowledging import with_problem
from domain.operation.attention import Attention, AttentionKind
from domain.operation.lifecycle import complete, fail, note, start
from domain.operation.operation import Cause, Change, Operation
from domain.operation.operation_error import ErrorCode, OperationError
from domain.operation.status import OperationStatus
from domain.operation.transition import Source
from tests.simulation.bulk.world import TENANTS, BulkWorld, Known
from tests.simulation.processes import Fate
from tests.simulation.world import AHEAD, FATES, PICKS, TICK, one

PENDING, DONE = TargetOutcome.PENDING, TargetOutcome.DONE
PIECE_FATES = st.sampled_from([None] * 12 + [Fate(killed, at) for killed in (True, False) for at in range(16)])
"""At each of the steps of a piece."""
CRITERIA = st.sampled_from([OperationFilter(type="work")] * 3 + [OperationFilter(), OperationFilter(type="nobody's")])


class Clients(BulkWorld):
    """What clients and workflows do with single operations."""

    @rule(tenant=st.sampled_from(TENANTS), number=st.integers(1, 4), troubled=st.booleans())
    def submit(self, tenant: str, number: int, *, troubled: bool) -> None:
        """`troubled`: they need attention at once."""
        for _ in range(number):
            made = self.process(self.ledger.new_submitter().submit(Submission(tenant, "work")))
            if troubled:
                self.change(made.operation, "need attention")

    @precondition(lambda self: self.work)
    @rule(pick=PICKS, how=st.sampled_from(["start", "complete", "fail", "need attention"]))
    def work_on(self, pick: int, how: str) -> None:
        """A report or an observation has changed the row."""
        self.change(one(self.work, pick), how)

    def change(self, row: Operation, how: str) -> None:
        """Unless it is done."""
        if not row.done:
            self.process(self.save(_worked(row, how, Cause(Source.WORKFLOW, how, self.ledger.clock.now()))))

    @precondition(lambda self: self.rows)
    @rule(pick=PICKS)
    def cancel(self, pick: int) -> None:
        """Also a bulk action."""
        row = one(list(self.rows.values()), pick)

        async def ask() -> None:
            try:
                await self.ledger.canceller.cancel(row.tenant, row.id, reason="no need", force=False)
            except OperationAlreadyDone:
                assert row.done

        self.process(ask())

    @precondition(lambda self: any(row.done for row in self.rows.values()))
    @rule(pick=PICKS)
    def delete(self, pick: int) -> None:
        row = one([row for row in self.rows.values() if row.done], pick)
        self.deleted.add(row.id)
        self.process(self.ledger.api.delete().delete(row.tenant, row.id))

    @precondition(lambda self: any(row.done for row in self.work))
    @rule(pick=PICKS, ahead=AHEAD)
    def retry(self, pick: int, ahead: timedelta) -> None:
        row = one([row for row in self.work if row.done], pick)
        retries = self.ledger.new_retrier()

        async def ask() -> None:
            try:
                await retries.retry(row.tenant, row.id, Retry(labels={"by": "hand"}), actor="alice", trace={})
            except OperationAlreadyRetried:
                assert row.retried_by is not None

        self.process(ask(), None, ahead)


class BulkActions(BulkWorld):
    """What clients and the ledger do with bulk actions."""

    @rule(
        tenant=st.sampled_from(TENANTS),
        verb=st.sampled_from(BulkVerb),
        criteria=CRITERIA,
        at_once=st.booleans(),
        ahead=AHEAD,
    )
    def dry_run(
        self, tenant: str, verb: BulkVerb, criteria: OperationFilter, *, at_once: bool, ahead: timedelta
    ) -> None:
        """It counts what a look at every row finds. `at_once`: and is confirmed."""
        expected = self.applicable(tenant, verb, criteria)
        preview = self.process(self.bulk.preview(tenant, verb, criteria), None, ahead)
        assert preview.action.matching == len(expected)
        problems = {each: problem for each in expected if (problem := self.rows[each].attention) is not None}
        action = Known(preview.action.id, tenant, verb, expected, problems, preview.expires_at)
        self.known.append(action)
        if at_once:
            self.ask_to_confirm(action, None)

    @precondition(lambda self: self.known)
    @rule(pick=PICKS, fate=FATES, ahead=AHEAD)
    def confirm(self, pick: int, fate: Fate | None, ahead: timedelta) -> None:
        """Also a second time, after a process has died of it, and too late."""
        self.ask_to_confirm(one(self.known, pick), fate, ahead)

    def ask_to_confirm(self, action: Known, fate: Fate | None, ahead: timedelta = timedelta()) -> None:
        """Refused only if the dry run has expired by the clock of the process, or its operation was deleted."""
        terms = BulkTerms(action.name, False, action.name)
        confirmation = Confirmation(action.id, action.verb, terms, {})

        async def ask() -> None:
            before = action.id in self.rows
            try:
                await self.bulk.confirm(action.tenant, confirmation, trace={})
            except InvalidInput:
                expired = self.now + ahead >= action.expires_at
                assert action.confirmed or expired, f"{action} is refused"
                assert action.id not in self.rows, f"{action} is refused, although it was confirmed"
            else:
                assert before or self.now + ahead < action.expires_at or action.confirmed, f"{action} has expired"

        self.process(ask(), fate, ahead)
        action.confirmed = action.confirmed or action.id in self.rows

    @precondition(lambda self: self.known)
    @rule(minutes=st.sampled_from([4, 14, 16]), ahead=AHEAD)
    def confirm_late(self, minutes: int, ahead: timedelta) -> None:
        """The newest dry run."""
        self.advance(minutes=minutes)
        self.ask_to_confirm(self.known[-1], None, ahead)

    @rule(minutes=st.sampled_from([1, 5, 10, 16, 45, 61]))
    def wait(self, minutes: int) -> None:
        self.advance(minutes=minutes)

    @precondition(lambda self: self.known)
    @rule(limit=st.integers(1, 5), fate=FATES, ahead=AHEAD)
    def forget_dry_runs(self, limit: int, fate: Fate | None, ahead: timedelta) -> None:
        """The worker does."""
        self.process(self.ledger.worker.dry_runs().step(limit), fate, ahead)

    @precondition(lambda self: self.confirmed)
    @rule(pick=PICKS, again=st.integers(0, 2), fate=PIECE_FATES, ahead=AHEAD)
    def handle(self, pick: int, again: int, fate: Fate | None, ahead: timedelta) -> None:
        """A piece. `again`: one that was handled before, whose result was lost."""
        self.handle_piece(one(self.confirmed, pick), again, fate, ahead)

    def handle_piece(self, action: Known, again: int, fate: Fate | None, ahead: timedelta = timedelta()) -> None:
        after = action.pieces[max(0, len(action.pieces) - 1 - again)]
        before = dict(action.numbers)
        self.run_workflow(action)

        async def piece() -> PieceHandled | None:
            try:
                return await self.performer.handle(action.id, after)
            except BulkActionEnded:
                row = self.rows.get(action.id)
                assert row is None or row.done
                return None

        handled = self.process(piece(), fate, ahead)
        if handled is None:
            return
        assert handled.matching == len(action.counted)
        assert PENDING not in handled.outcomes
        if after == action.pieces[-1] and handled.upto > after:
            action.pieces.append(handled.upto)
            action.numbers = {key: before.get(key, 0) + handled.outcomes.get(key, 0) for key in TargetOutcome}

    def run_workflow(self, action: Known) -> None:
        """It has reported its start."""
        row = self.rows.get(action.id)
        if row is not None and row.status is OperationStatus.ACCEPTED:
            self.process(self.save(start(row, Cause(Source.WORKFLOW, "start", self.ledger.clock.now()))))

    @precondition(lambda self: self.confirmed)
    @rule(pick=PICKS, cancelled=st.booleans())
    def stop(self, pick: int, cancelled: bool) -> None:
        """A client cancels it; or its workflow is terminated, and the ledger hears of it. Then comes a late piece."""
        self.end(one(self.confirmed, pick), cancelled=cancelled)

    def end(self, action: Known, *, cancelled: bool) -> None:
        """Stops it."""
        row = self.rows.get(action.id)
        if row is None or row.done:
            return
        self.run_workflow(action)
        row = self.rows[action.id]
        if cancelled:
            self.process(self.ledger.canceller.cancel(row.tenant, row.id, reason=None, force=False))
        else:
            error = OperationError(ErrorCode.TERMINATED, "terminated")
            cause = Cause(Source.CALLBACK, "terminated", self.ledger.clock.now())
            self.process(self.save(fail(row, error, cause)))
        self.it_stops(action)
        self.handle_piece(action, 0, None)

    def it_stops(self, action: Known) -> None:
        """A transaction that begins after the request, or after the end, handles nothing."""
        row = self.rows.get(action.id)
        handled = sum(target.outcome is not PENDING for target in self.targets(action))
        if row is not None and (row.done or row.cancel_request is not None):
            if action.stopped_at is None:
                action.stopped_at = handled
            assert handled <= action.stopped_at, f"{action} goes on"

    @precondition(lambda self: self.processes.still)
    @rule(pick=PICKS, killed=st.booleans())
    def go_on(self, pick: int, killed: bool) -> None:
        """A process that stood still, while others acted, wakes up or is killed there."""
        process = one(self.processes.still, pick)
        if killed:
            self.processes.kill(process)
        else:
            self.processes.resume(process, None)


class Bulk(BulkActions, Clients):
    """Exactly the operations that the dry run counted, or fewer; each once; none of another tenant."""

    @precondition(lambda self: self.acknowledging)
    @rule(pick=PICKS, other=PICKS)
    def need_attention_again(self, pick: int, other: int) -> None:
        """A target of an acknowledgement has a newer problem than the dry run has counted. Then comes a piece."""
        action = one(self.acknowledging, pick)
        row = self.rows.get(one(sorted(action.problems), other))
        if row is not None and row.type == "work" and not row.done:
            cause = Cause(Source.WORKFLOW, "need attention", self.ledger.clock.now())
            self.process(self.save(_worked(row, "need attention", cause)))
        self.the_promises_hold()
        self.handle_piece(action, 0, None)

    @precondition(lambda self: self.confirmed)
    @rule(pick=PICKS, at=st.integers(0, 15), stopped=st.booleans())
    def take_over(self, pick: int, at: int, *, stopped: bool) -> None:
        """A worker stands still within a piece. Another one handles the piece, or the bulk action is cancelled. Then
        the first one goes on."""
        action, before = one(self.confirmed, pick), list(self.processes.still)
        self.handle_piece(action, 0, Fate(killed=False, at=at))
        self.the_promises_hold()
        if stopped:
            self.end(action, cancelled=True)
        else:
            self.handle_piece(action, 0, None)
        for process in [each for each in self.processes.still if each not in before]:
            self.the_promises_hold()
            self.processes.resume(process, None)

    @invariant()
    def the_promises_hold(self) -> None:
        """After every step; ends it."""
        for action in self.known:
            action.confirmed = action.confirmed or action.id in self.rows
            self.targets_are_those_of_the_moment(action)
            self.it_stops(action)
            self.deleted.update(target.operation_id for target in self.done(action, BulkVerb.DELETE))
            self.what_is_forgotten_has_expired(action)
        for operation_id in self.seen.keys() - self.rows.keys():
            assert operation_id in self.deleted, f"{operation_id} was deleted by nothing"
        for action in self.known:
            self.acknowledges_what_was_counted(action)
        self.past.update({key: list(lines) for key, lines in self.ledger.store._tables.history.items()})
        self.seen.update(self.rows)
        for action in self.known:
            self.each_target_is_handled_once(action)
        assert not self.errors.records, self.errors.records[0].getMessage()
        self.ledger.clock.advance(TICK)
        BulkWorld.steps += 1

    def done(self, action: Known, verb: BulkVerb) -> list[Target]:
        """Its targets that were handled, if it has this verb."""
        return [target for target in self.targets(action) if action.verb is verb and target.outcome is DONE]

    def targets_are_those_of_the_moment(self, action: Known) -> None:
        """Nothing that came later, and nothing of another tenant."""
        targets = [target.operation_id for target in self.targets(action)]
        assert len(set(targets)) == len(targets)
        if targets or action.id in self.rows or not (action.confirmed or self.forgotten(action)):
            assert set(targets) == action.counted, f"{action} has other targets"

    def what_is_forgotten_has_expired(self, action: Known) -> None:
        """By the slowest clock, so that no process could confirm it. A tenant's newest ones replace the older ones."""
        if not action.confirmed and self.forgotten(action):
            of_tenant = sum(other.tenant == action.tenant for other in self.known)
            assert self.now >= action.expires_at or of_tenant > MAX_UNCONFIRMED, f"{action} was forgotten too early"

    def each_target_is_handled_once(self, action: Known) -> None:
        """The history of every operation that there has been names the bulk action, or does not."""
        acted = Counter(
            operation_id
            for operation_id, lines in self.past.items()
            if operation_id != action.id
            for line in lines
            if line.actor == action.name and line.sequence > 1 and action.name in line.reason
        )
        made = [row for row in self.seen.values() if self.past[row.id][0].actor == action.name]
        new = Counter(row.retry_of for row in made if row.retry_of is not None)
        assert not acted or action.verb in (BulkVerb.CANCEL, BulkVerb.ACKNOWLEDGE)
        assert not new or action.verb is BulkVerb.RETRY
        effects = acted + new
        assert effects.keys() <= action.counted, f"{action} acted on others"
        assert all(number == 1 for number in effects.values()), f"{action} acted twice: {effects}"
        targets = self.targets(action)
        if not targets:
            return  # deleted with its operation
        done = {target.operation_id for target in targets if target.outcome is DONE}
        assert effects.keys() <= done, f"{action} has not recorded what it did"
        for operation_id in done:
            self.it_was_done(action, operation_id)

    def acknowledges_what_was_counted(self, action: Known) -> None:
        """Not a problem that an operation has got since the dry run."""
        for operation_id, row in self.rows.items():
            lines = self.ledger.store._tables.history[operation_id][len(self.past.get(operation_id, ())) :]
            if any(line.reason.startswith("acknowledged") and action.name in line.reason for line in lines):
                problem = self.seen[operation_id].attention
                assert problem == action.problems[operation_id], f"{action} acknowledged {problem} of {row.id}"

    def it_was_done(self, action: Known, operation_id: UUID) -> None:
        """What a target that is DONE has become, unless it was deleted since."""
        last = self.seen[operation_id]
        if action.verb is BulkVerb.DELETE:
            assert operation_id not in self.rows
        elif action.verb is BulkVerb.CANCEL:
            assert last.cancel_request is not None
        elif action.verb is BulkVerb.RETRY:
            assert last.retried_by is not None
        else:
            assert any(action.name in line.reason for line in self.past[operation_id])

    def teardown(self) -> None:
        try:
            if hasattr(self, "ledger"):
                self.finish()
        finally:
            self.errors.detach()
            self.processes.close()

    def finish(self) -> None:
        """The faults end. Every bulk action that was not stopped handles all of its targets, and its numbers say so."""
        for process in list(self.processes.still):
            self.processes.kill(process)
        for action in self.confirmed:
            row = self.rows.get(action.id)
            if row is None or row.done or row.cancel_request is not None:
                continue
            for _ in range(len(action.counted) + 1):
                if action.pieces[-1] < len(action.counted):
                    self.handle_piece(action, 0, None)
                    self.the_promises_hold()
            if action.id not in self.rows or self.rows[action.id].done or self.rows[action.id].cancel_request:
                continue  # by another bulk action
            outcomes = Counter(target.outcome for target in self.targets(action))
            assert not outcomes[PENDING], f"{action} is not through: {outcomes}"
            assert sum(action.numbers.values()) == len(action.counted), f"{action} has counted other numbers"
            assert {key: number for key, number in action.numbers.items() if number} == dict(outcomes)


def _worked(row: Operation, how: str, cause: Cause) -> Change:
    if how == "need attention":
        return note(with_problem(row, Attention(AttentionKind.STALLED, cause.now, "it fails")), cause)
    started = start(row, cause) if row.status is OperationStatus.ACCEPTED else Change(row)
    if how == "start":
        return started
    error = OperationError(ErrorCode.WORKFLOW_FAILED, "no")
    ended = complete(started.operation, 1, cause) if how == "complete" else fail(started.operation, error, cause)
    return started.then(ended)

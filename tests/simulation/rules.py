"""What happens: each rule is one thing that clients, workers, the ledger, Temporal, its users or the network do."""

from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from application.ports.engine.callback_reader import CallbackMessage
from application.ports.monitoring.metrics import CallbackOutcome
from application.submit.retry import Retry
from domain.access.callback_token import TOKEN_HEADER
from domain.errors import OperationAlreadyDone
from domain.evidence.observation import ExecutionState, Observation
from domain.json_value import JsonValue
from domain.operation.chain import Run
from domain.operation.operation_error import ErrorCode, OperationError
from domain.operation.report import Progress, Report, ReportKind
from domain.operation.transition import Source
from tests.simulation.processes import Fate
from tests.simulation.world import AHEAD, FATES, KEYS, LATER, PICKS, UNDECLARED, Channels, World, one
from tests.support.ledger.in_memory import KEYS as CALLBACK_KEYS
from tests.support.ledger.in_memory import WORK

QUEUE = WORK.task_queue
STATE, CLOSED_AT = "nexus-operation-state", "nexus-operation-close-time"
A_TIME = "2026-01-01T00:00:00Z"
GARBAGE = st.sampled_from(
    [
        CallbackMessage({}, b""),
        CallbackMessage({STATE: "weird"}, b"{}"),
        CallbackMessage({STATE: "failed"}, b"{}"),
        CallbackMessage({STATE: "failed", CLOSED_AT: A_TIME}, b"{"),
        CallbackMessage({STATE: "succeeded", CLOSED_AT: "soon"}, b"1"),
        CallbackMessage({STATE: "succeeded", CLOSED_AT: A_TIME, "content-type": "application/json"}, b"\xff{"),
    ]
)


class Clients(World):
    """Submit, submit again, retry, cancel."""

    @rule(key=st.sampled_from(KEYS), fate=FATES)
    def submit(self, key: str, fate: Fate | None) -> None:
        """Also the retry of a client that never saw its answer."""
        answer = self.accept(key, fate)
        if answer is not None:
            assert self.answered.setdefault(key, answer.operation.id) == answer.operation.id
            assert answer.operation.id in self.rows

    @rule(
        kind=st.sampled_from(["work", "work", UNDECLARED]),
        delay=st.sampled_from([None, None, *LATER.values()]),
        committed=st.booleans(),
    )
    def submit_in_sql(self, kind: str, delay: timedelta | None, *, committed: bool) -> None:
        """In a transaction that is committed or rolled back. Nothing has checked the type."""
        before = set(self.rows)
        self.process(self.in_sql(kind, delay, committed=committed))
        assert len(self.rows.keys() - before) == committed

    @precondition(lambda self: any(row.done and row.type == "work" for row in self.rows.values()))
    @rule(pick=PICKS, fate=FATES, key=st.sampled_from([None, "again"]), ahead=AHEAD)
    def retry(self, pick: int, fate: Fate | None, key: str | None, ahead: timedelta) -> None:
        """Also of what is retried already: the same retry again gets the first one's answer."""
        former = one([row for row in self.rows.values() if row.done and row.type == "work"], pick)
        retries = self.ledger.new_retrier()
        again = Retry(idempotency_key=key and f"{key} {former.id}")
        answer = self.process(retries.retry("default", former.id, again, actor=None, trace={}), fate, ahead)
        if answer is not None:
            assert answer.operation.retry_of == former.id
            assert self.rows[former.id].retried_by == answer.operation.id

    @precondition(lambda self: self.rows)
    @rule(pick=PICKS, force=st.booleans(), fate=FATES)
    def cancel(self, pick: int, force: bool, fate: Fate | None) -> None:
        operation_id = one(list(self.rows), pick)

        async def ask_for_the_end() -> None:
            try:
                await self.ledger.canceller.cancel("default", operation_id, reason="r", force=force)
            except OperationAlreadyDone:
                assert self.rows[operation_id].done

        self.process(ask_for_the_end(), fate)


class Loops(World):
    """What the ledger's own processes do."""

    @rule(limit=st.integers(1, 5), fate=FATES, ahead=AHEAD)
    def dispatch(self, limit: int, fate: Fate | None, ahead: timedelta) -> None:
        self.process(self.ledger.dispatch(limit), fate, ahead)

    @rule(key=st.sampled_from(sorted(LATER)))
    def dispatch_by_a_fast_clock(self, key: str) -> None:
        """A later start is not early, however far the clock is ahead."""
        self.accept(key)
        self.process(self.ledger.dispatch(100), ahead=timedelta(minutes=10))

    @rule(
        limit=st.integers(1, 5),
        at=st.integers(2, 9),
        meanwhile=st.sampled_from(["nothing", "outage", "passing refusal", "refusal"]),
    )
    def overtake(self, limit: int, at: int, meanwhile: str) -> None:
        """A dispatcher stands still past its lease. Another takes its claim over and acts; then the first one goes on,
        as if it still had the claim."""
        before = list(self.processes.still)
        self.process(self.ledger.dispatch(limit), Fate(False, at))
        stood_still = [process for process in self.processes.still if process not in before]
        self.advance(seconds=31)
        self.dispatch_all()
        for process in stood_still:
            self.oldest_word = min(self.oldest_word, process.begun_at)
            self._meanwhile(meanwhile)
            self.processes.resume(process, None)
            self.world.come_back()
            self.world._next_refusals.clear()

    def _meanwhile(self, what: str) -> None:
        if what == "outage":
            self.world.go_down()
        elif what != "nothing":
            (self.world.reject_next if what == "refusal" else self.world.fail_next)("no")

    @rule(limit=st.integers(1, 5), fate=FATES, ahead=AHEAD)
    def follow_up(self, limit: int, fate: Fate | None, ahead: timedelta) -> None:
        """One that is killed leaves its question to verification, if its lease is ended by a report."""
        if self.channels is Channels.CALLBACKS:
            self.process(self.ledger.follow_up(limit))
        else:
            self.process(self.ledger.follow_up(limit), fate, ahead)

    @precondition(lambda self: self.channels is not Channels.CALLBACKS)
    @rule(limit=st.integers(1, 5), fate=FATES, ahead=AHEAD)
    def verify(self, limit: int, fate: Fate | None, ahead: timedelta) -> None:
        self.process(self.ledger.verify(limit), fate, ahead)

    @precondition(lambda self: self.channels is not Channels.CALLBACKS)
    @rule(fate=FATES, ahead=AHEAD)
    def poll_closes(self, fate: Fate | None, ahead: timedelta) -> None:
        self.process(self.ledger.close_poll.step(1), fate, ahead)

    @precondition(lambda self: self.channels is not Channels.CALLBACKS)
    @rule(fate=FATES)
    def watch_starts(self, fate: Fate | None) -> None:
        self.process(self.ledger.start_watch.step(1), fate)

    @precondition(lambda self: self.channels is not Channels.CALLBACKS)
    @rule(fate=FATES)
    def reconcile(self, fate: Fate | None) -> None:
        """A pass at one go."""
        self.whole_pass(fate)

    @precondition(lambda self: self.channels is not Channels.CALLBACKS)
    @rule(minutes=st.sampled_from([2, 10]))
    def reconcile_by_a_fast_clock(self, minutes: int) -> None:
        """A pass of a worker whose clock runs ahead."""
        self.whole_pass(ahead=timedelta(minutes=minutes))

    @precondition(lambda self: self.channels is not Channels.CALLBACKS)
    @rule(fate=FATES)
    def begin_pass(self, fate: Fate | None) -> None:
        """One that takes its time."""
        page = self.page(None, fate)
        if page is not None and page.cursor is not None:
            self.cursors.append(page.cursor)

    @precondition(lambda self: self.cursors)
    @rule(pick=PICKS, keep=st.booleans(), fate=FATES)
    def continue_pass(self, pick: int, keep: bool, fate: Fate | None) -> None:
        """Of which there may be several; each page is done once, or again."""
        cursor = one(self.cursors, pick)
        page = self.page(cursor, fate)
        if not keep:
            self.cursors.remove(cursor)
        if page is not None and page.cursor is not None and len(self.cursors) < 4:
            self.cursors.append(page.cursor)

    @precondition(lambda self: self.processes.still)
    @rule(pick=PICKS, fate=FATES, killed=st.booleans())
    def go_on(self, pick: int, fate: Fate | None, killed: bool) -> None:
        """A process that stood still wakes up, or is killed there."""
        process = one(self.processes.still, pick)
        if killed:
            self.processes.kill(process)
        else:
            self.oldest_word = min(self.oldest_word, process.begun_at)
            self.read_to = self.now  # it may have stood still before it asked the database for the time
            self.processes.resume(process, fate)

    @rule(seconds=st.sampled_from([0.06, 1.0, 4.0, 6.0, 31.0, 100.0, 130.0, 700.0, 3700.0]))
    def wait(self, seconds: float) -> None:
        self.advance(seconds=seconds)


class Workers(World):
    """What workers do, and what becomes of their reports."""

    @precondition(lambda self: self.open_ids())
    @rule(
        pick=PICKS,
        what=st.sampled_from(
            [
                *("pick_up", "complete", "complete_unreadable", "fail", "continue_as_new", "retry_attempt"),
                *("give_way", "time_out", "stall", "retry_activity"),
            ]
        ),
        result=st.sampled_from([None, 0, "", [], {}, {"a": 1}]),
        told=st.booleans(),
        at_once=st.booleans(),
    )
    def work(self, pick: int, what: str, result: Any, told: bool, at_once: bool) -> None:  # noqa: C901 -- a table
        operation_id = one(self.open_ids(), pick)
        post = partial(self.post, operation_id, at_once=at_once)
        if what != "time_out":
            self.world.poll_queue(QUEUE)
            self.world.pick_up(operation_id)
            post(ReportKind.STARTED)
        match what:
            case "pick_up":
                self.world.unstall(operation_id)
            case "complete":
                post(ReportKind.COMPLETED, result=result)
                if told:  # else reported, but the close is refused or pre-empted (hazard 16)
                    self.world.complete(operation_id, result)
            case "complete_unreadable":
                post(ReportKind.COMPLETED, provisional=True)
                self.world.complete(operation_id, unreadable="its encoding is binary/encrypted, not JSON")
            case "fail":
                post(ReportKind.FAILED, error=OperationError(ErrorCode.WORKFLOW_FAILED, "boom"))
                self.world.fail(operation_id, "boom")
            case "retry_attempt":
                error = OperationError(ErrorCode.WORKFLOW_FAILED, "attempt failed")
                post(ReportKind.FAILED, error=error, provisional=True)
                self.world.retry_attempt(operation_id)
            case "give_way":
                post(ReportKind.FAILED, error=OperationError(ErrorCode.CANCELED, "canceled"))
                self.world.cancel_acknowledged(operation_id)
            case "continue_as_new":
                self.world.continue_as_new(operation_id)
            case "retry_activity":
                self.world.retry_activity(operation_id, 'activity "ship" has failed 7 times')
            case "stall":
                self.world.stall(operation_id, "its workflow task has failed 7 times")
            case _:
                self.world.time_out(operation_id)

    @rule()
    def workers_leave(self) -> None:
        self.world.leave_queue(QUEUE)

    @precondition(lambda self: self.mail)
    @rule(pick=PICKS, what=st.sampled_from(["once", "again later", "lost"]), fate=FATES)
    def deliver(self, pick: int, what: str, fate: Fate | None) -> None:
        """In any order, twice, or never."""
        letter = one(self.mail, pick)
        if what != "again later":
            self.mail.remove(letter)
        if what != "lost":
            self.process(self.ledger.reports.receive(*letter), fate)

    @precondition(lambda self: self.open_ids())
    @rule(pick=PICKS, fraction=st.sampled_from([0.0, 0.5, 1.0]))
    def report_progress(self, pick: int, fraction: float) -> None:
        operation_id = one(self.open_ids(), pick)
        self.world.pick_up(operation_id)
        self.post(operation_id, ReportKind.PROGRESS, progress=Progress(fraction, None))


class Callbacks(World):
    """The engine calls until it is answered; others call too."""

    @precondition(lambda self: self.callbacks)
    @rule(pick=PICKS, again=st.booleans(), fate=FATES, ahead=AHEAD)
    def call_back(self, pick: int, again: bool, fate: Fate | None, ahead: timedelta) -> None:
        """In any order, and again where the answer gets lost."""
        pending = one(self.callbacks, pick)
        lasting = self.channels is not Channels.CALLBACKS
        outcome = self.process(self.ledger.call_back(pending), fate, ahead if lasting else timedelta())
        answered = outcome is not None and outcome is not CallbackOutcome.UNKNOWN_OPERATION
        if answered and not again:
            self.callbacks.remove(pending)

    @precondition(lambda self: self.callbacks)
    @rule(pick=PICKS, fate=FATES)
    def call_back_after_a_reset(self, pick: int, fate: Fate | None) -> None:
        """What the callback tells of is over when it arrives, and too old to be believed unasked."""
        pending = one(self.callbacks, pick)
        if pending.operation_id in self.begun_ids():
            self.world.reset(pending.operation_id)
            self.advance(seconds=6)
            self.process(self.ledger.call_back(pending), fate)

    @precondition(lambda self: self.callbacks and self.channels is Channels.BOTH)
    @rule(pick=PICKS)
    def lose_callback(self, pick: int) -> None:
        self.callbacks.remove(one(self.callbacks, pick))

    @precondition(lambda self: self.rows)
    @rule(pick=PICKS, other=PICKS, message=GARBAGE)
    def forge(self, pick: int, other: int, message: CallbackMessage) -> None:
        """A token of something else is none; with the right one, nonsense moves nothing."""
        ids = list(self.rows)
        operation_id, stranger = one(ids, pick), one(ids, other)
        token = CALLBACK_KEYS.sign(stranger, "default")
        assert CALLBACK_KEYS.verify(operation_id, token) == ("default" if stranger == operation_id else None)
        assert CALLBACK_KEYS.verify(operation_id, f"k1.ZGVmYXVsdA.{other}") is None
        before = self.rows[operation_id]
        outcome = self.process(self.ledger.receiver.receive(operation_id, "default", message))
        after = self.rows[operation_id]
        assert outcome is CallbackOutcome.UNREADABLE
        unplanned = replace(after, follow_up=before.follow_up, revision=before.revision)
        assert replace(unplanned, history_length=before.history_length) == before

    @precondition(lambda self: self.callbacks)
    @rule(pick=PICKS)
    def token_of_a_callback(self, pick: int) -> None:
        """The one that the engine was given opens that operation alone."""
        pending = one(self.callbacks, pick)
        token = pending.callback.headers[TOKEN_HEADER]
        opened = [operation_id for operation_id in self.rows if CALLBACK_KEYS.verify(operation_id, token) is not None]
        assert opened == [pending.operation_id]


class Outsiders(World):
    """What Temporal's other users do to executions."""

    @precondition(lambda self: self.open_ids())
    @rule(pick=PICKS)
    def terminate(self, pick: int) -> None:
        self.world.terminate_from_outside(one(self.open_ids(), pick), "by hand", "operator")

    @precondition(lambda self: self.begun_ids())
    @rule(pick=PICKS)
    def reset(self, pick: int) -> None:
        """Whatever is closed, or runs."""
        self.world.reset(one(self.begun_ids(), pick))

    @precondition(lambda self: self.open_ids() and self.channels is not Channels.CALLBACKS)
    @rule(pick=PICKS, ahead=st.sampled_from([timedelta(minutes=2), timedelta(minutes=10)]))
    def reset_after_an_end_by_a_fast_clock(self, pick: int, ahead: timedelta) -> None:
        """The row says that it was written long after the reset."""
        operation_id = one(self.open_ids(), pick)
        self.world.pick_up(operation_id)
        self.world.complete(operation_id, {"a": 1})
        self.whole_pass(ahead=ahead)
        self.world.reset(operation_id)

    @precondition(lambda self: self.present)
    @rule(pick=PICKS, quietly=st.booleans())
    def forget(self, pick: int, quietly: bool) -> None:
        operation_id = one(sorted(self.present), pick)
        if quietly:
            self.world.lose(operation_id)
        else:
            self.world.delete(operation_id)

    @precondition(lambda self: self.without_execution)
    @precondition(lambda self: self.channels is not Channels.CALLBACKS)
    @rule(pick=PICKS)
    def start_from_outside(self, pick: int) -> None:
        """Under the workflow id of an operation that has no execution."""
        self.world.start_from_outside(one(self.without_execution, pick))

    @precondition(lambda self: self.present and self.channels is not Channels.CALLBACKS)
    @rule(pick=PICKS)
    def supersede(self, pick: int) -> None:
        """In the place of an operation's own execution, open or closed."""
        self.world.supersede(one(sorted(self.present), pick))

    @precondition(lambda self: self.foreign)
    @rule(pick=PICKS, what=st.sampled_from(["run", "complete", "fail", "terminate"]))
    def work_under_a_foreign_id(self, pick: int, what: str) -> None:
        """Whatever such an execution does and reports, it says nothing of the operation."""
        operation_id = one(self.foreign, pick)
        result: JsonValue = {"other": 1}
        match what:
            case "run":
                self.post(operation_id, ReportKind.PROGRESS, progress=Progress(0.77, "another's"))
            case "complete":
                self.post(operation_id, ReportKind.COMPLETED, result=result)
                self.world.complete(operation_id, result)
            case "fail":
                error = OperationError(ErrorCode.WORKFLOW_FAILED, "another's")
                self.post(operation_id, ReportKind.FAILED, error=error)
                self.world.fail(operation_id, "another's")
            case _:
                self.world.terminate_from_outside(operation_id, "another's", "operator")

    @precondition(lambda self: self.rows)
    @rule(pick=PICKS, kind=st.sampled_from(ReportKind))
    def report_for_another(self, pick: int, kind: ReportKind) -> None:
        """Some other workflow reports for the operation."""
        operation_id = one(list(self.rows), pick)
        before = self.rows[operation_id]
        error = OperationError(ErrorCode.WORKFLOW_FAILED, "forged") if kind is ReportKind.FAILED else None
        forged = Report(kind, self.now, result={"other": 1}, error=error, progress=Progress(0.77, "forged"))
        self.process(self.ledger.reports.receive(operation_id, forged, Run("another workflow", "another run")))
        assert self.rows[operation_id] is before, f"{before} was changed by another workflow"


class Weather(World):
    """The index lags, the engine is away or refuses, answers take their time."""

    @rule(what=st.sampled_from(["freeze", "thaw"]))
    def index(self, what: str) -> None:
        getattr(self, what)()

    @precondition(lambda self: not self.world._lose_next_reply)
    @rule()
    def lose_next_reply(self) -> None:
        self.world.lose_next_reply()

    @precondition(lambda self: self.channels is Channels.BOTH)
    @rule(refuse=st.booleans())
    def refuse_callbacks(self, refuse: bool) -> None:
        self.world.refuse_callbacks(refuse)

    @precondition(lambda self: self.world._up)
    @rule()
    def go_down(self) -> None:
        """The ledger's processes go on while Temporal is away."""
        self.world.go_down()

    @precondition(lambda self: not self.world._up)
    @rule()
    def come_back(self) -> None:
        self.world.come_back()

    @precondition(lambda self: not self.world._next_refusals and self.world._up)
    @rule(permanent=st.booleans())
    def refuse(self, permanent: bool) -> None:
        (self.world.reject_next if permanent else self.world.fail_next)("no")
        self.dispatch_all()

    @precondition(lambda self: self.rows and self.channels is not Channels.CALLBACKS)
    @rule(pick=PICKS)
    def ask(self, pick: int) -> None:
        """An observation whose answer takes its time."""
        operation_id = one(list(self.rows), pick)
        execution = self.executions.get(operation_id)
        missing = Observation(ExecutionState.NOT_FOUND, self.now)
        answer = missing if execution is None else execution.observed(self.now)
        self.old_news.append((operation_id, answer, self.rows[operation_id].version))

    @precondition(lambda self: self.old_news)
    @rule(pick=PICKS, fate=FATES, ahead=AHEAD)
    def late_answer(self, pick: int, fate: Fate | None, ahead: timedelta) -> None:
        """Hazard 23: a write of an older view over later changes."""
        operation_id, observation, version = self.old_news.pop(pick % len(self.old_news))
        self.oldest_word = min(self.oldest_word, observation.asked_at)
        record = self.ledger.recorder.observation(operation_id, observation, Source.RECONCILIATION, version=version)
        self.process(record, fate, ahead)

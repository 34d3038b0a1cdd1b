"""How the fault campaign's checker reads one run out of Temporal's history."""

from datetime import UTC, datetime
from typing import Any

from temporalio.api.common.v1 import Payload, Payloads
from temporalio.api.enums.v1 import WorkflowTaskFailedCause
from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure
from temporalio.api.history.v1 import HistoryEvent

from tests.chaos.checker.facts import End, Run
from tests.chaos.checker.reading.run_history import RESETTER, read_run

STARTED = {"first_execution_run_id": "r1"}


def event(second: int, kind: str, **attributes: Any) -> HistoryEvent:
    """One event of the history."""
    fields: dict[str, Any] = {f"{kind}_event_attributes": attributes}
    made = HistoryEvent(**fields)
    made.event_time.FromSeconds(second)
    return made


def read(*later: HistoryEvent) -> Run:
    """The run whose history has these events after its start at second 10."""
    return read_run("w", "r1", [event(10, "workflow_execution_started", **STARTED), *later])


def moment(second: int) -> datetime:
    return datetime.fromtimestamp(second, UTC)


def test_a_run_without_a_close_is_open() -> None:
    """The last event decides."""
    run = read(event(11, "workflow_task_scheduled"))
    assert (run.open, run.end, run.first_run_id, run.started_at) == (True, None, "r1", moment(10))


def test_results_are_read_exactly() -> None:
    """None is not nothing said: it is JSON's null."""
    for payload, text in (
        (Payload(metadata={"encoding": b"json/plain"}, data=b'{"a": 0}'), '{"a": 0}'),
        (Payload(metadata={"encoding": b"binary/null"}), "null"),
    ):
        close = event(20, "workflow_execution_completed", result=Payloads(payloads=[payload]))
        assert read(close).end == End("COMPLETED", moment(20), result=text)
    assert read(event(20, "workflow_execution_completed")).end == End("COMPLETED", moment(20), result="null")


def test_a_failure_is_its_root_cause() -> None:
    """The last in the chain of causes; its type where it has no words."""
    root = Failure(message="disk full")
    wrapped = Failure(message="Activity task failed", cause=Failure(message="could not write", cause=root))
    end = read(event(20, "workflow_execution_failed", failure=wrapped)).end
    assert end == End("WORKFLOW_FAILED", moment(20), message="disk full")
    wordless = Failure(application_failure_info=ApplicationFailureInfo(type="Refused"))
    assert read(event(20, "workflow_execution_failed", failure=wordless)).end == End(
        "WORKFLOW_FAILED", moment(20), message="Refused"
    )


def test_what_another_run_follows_is_no_end() -> None:
    """Continue-as-new, the workflow's own retry, and a reset while it runs."""
    for close in (
        event(20, "workflow_execution_continued_as_new", new_execution_run_id="r2"),
        event(20, "workflow_execution_failed", new_execution_run_id="r2", failure=Failure(message="once more")),
        event(20, "workflow_execution_timed_out", new_execution_run_id="r2"),
    ):
        run = read(close)
        assert (run.open, run.end, "r2" in run.links) == (False, None, True)
    reset = read(event(20, "workflow_execution_terminated", identity=RESETTER, reason="again"))
    assert (reset.open, reset.end) == (False, None)


def test_who_ended_it_and_why() -> None:
    """A termination says so itself; a cancellation was asked for earlier."""
    end = read(event(20, "workflow_execution_terminated", identity="me", reason="by hand")).end
    assert end == End("TERMINATED", moment(20), reason="by hand", actor="me")
    asked = event(15, "workflow_execution_cancel_requested", identity="me", cause="enough")
    canceled = read(asked, event(20, "workflow_execution_canceled"))
    assert canceled.end == End("CANCELED", moment(20), reason="enough", actor="me")
    assert read(event(20, "workflow_execution_canceled")).end == End("CANCELED", moment(20))


def test_a_time_out_is_an_end() -> None:
    """Where nothing follows."""
    assert read(event(20, "workflow_execution_timed_out")).end == End("TIMED_OUT", moment(20))


def test_a_reset_run_names_the_run_that_it_came_from() -> None:
    """And its chain is that one's."""
    cause = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW
    events = [
        event(10, "workflow_execution_started", **STARTED),
        event(12, "workflow_task_failed", cause=cause, base_run_id="r1", new_run_id="r2"),
    ]
    run = read_run("w", "r2", events)
    assert (run.first_run_id, "r1" in run.links, run.refused_closes) == ("r1", True, 0)


def test_who_was_asked_to_cancel_while_it_waited() -> None:
    """The first timer that fires is the end of the wait."""
    asked, fired = event(12, "workflow_execution_cancel_requested", identity="me"), event(13, "timer_fired")
    runs = (read(), read(asked), read(asked, fired), read(fired, asked))
    assert [(run.cancel_requested, run.interrupted) for run in runs] == [
        (False, False),
        (True, True),
        (True, True),
        (True, False),
    ]


def test_tasks_that_failed_by_their_own_code_are_counted() -> None:
    """Not those that the server took back."""
    causes = WorkflowTaskFailedCause
    own = causes.WORKFLOW_TASK_FAILED_CAUSE_WORKFLOW_WORKER_UNHANDLED_FAILURE
    other = causes.WORKFLOW_TASK_FAILED_CAUSE_RESET_WORKFLOW
    assert read(*(event(12, "workflow_task_failed", cause=cause) for cause in (own, other, own))).task_failures == 2


def test_items_of_signals_and_updates_are_read() -> None:
    """What is no text is none."""

    def arguments(*texts: bytes) -> Payloads:
        return Payloads(payloads=[Payload(metadata={"encoding": b"json/plain"}, data=text) for text in texts])

    signal = event(12, "workflow_execution_signaled", input=arguments(b'"b"'))
    update = event(13, "workflow_execution_update_accepted", accepted_request={"input": {"args": arguments(b'"a"')}})
    others = [event(14, "workflow_execution_signaled", input=arguments(*texts)) for texts in ((), (b"1",))]
    assert (read(signal, update, *others).items, read().items) == (("a", "b"), ())


def test_refused_closes_are_counted() -> None:
    """They show that signals arrived in the right moment."""
    cause = WorkflowTaskFailedCause.WORKFLOW_TASK_FAILED_CAUSE_UNHANDLED_COMMAND
    assert read(event(12, "workflow_task_failed", cause=cause)).refused_closes == 1

"""Decoding of status updates: what any SDK sends by default is accepted, anything else is refused with every
violation."""

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.evidence.reported_execution import ReportedExecution, ReportedParent
from domain.operation.chain import Run
from domain.operation.operation_error import ErrorCode
from domain.operation.operation_id import adopted_id
from domain.operation.report import Progress, ReportKind, Step, StepState
from entrypoints.reports.object_decoder import InvalidArgument
from entrypoints.reports.status_update import decode_status_update
from opledger.wire import ReportedError, ReportedProgress, ReportedStep, StatusUpdate, UpdateKind
from opledger.wire import StepState as ReportedState

ID = "019a0000-0000-7000-8000-000000000001"
AT = "2026-01-01T12:00:00+02:00"
KIND_RULE = "kind: one of started, progress, completed, failed, canceled, in lower case; it is"
TIME_RULE = "occurred_at: a time in RFC 3339 with a zone, such as 2026-01-31T12:00:00.5Z; it is"


def update(kind: Any = "started", **fields: object) -> dict[str, Any]:
    """Returns the JSON of a status update."""
    return {"operation_id": ID, "kind": kind, "occurred_at": AT, **fields}


def violations(value: Any) -> list[str]:
    """Returns why an update is refused."""
    with pytest.raises(InvalidArgument) as refused:
        decode_status_update(value)
    return refused.value.violations


@pytest.mark.parametrize("kind", list(UpdateKind))
def test_every_kind_is_decoded(kind: UpdateKind) -> None:
    """A cancellation is a failure with a code, as in google.longrunning. Times are in UTC."""
    decoded = decode_status_update(update(kind, progress={"fraction": 0}))
    operation_id, report = decoded.operation_id, decoded.report
    assert str(operation_id) == ID
    assert report.kind is (ReportKind.FAILED if kind is UpdateKind.CANCELED else ReportKind(kind.upper()))
    assert report.at == datetime(2026, 1, 1, 10, tzinfo=UTC)
    assert report.at.utcoffset() == timedelta()


@pytest.mark.parametrize("absent", [{}, {"operation_id": None}])
def test_operation_id_follows_from_the_execution(absent: dict[str, None]) -> None:
    """A sender in another language needs no UUIDv5."""
    sent: dict[str, Any] = {"kind": "started", "occurred_at": AT, "execution": EXECUTION, **absent}
    decoded = decode_status_update(sent)
    assert decoded.execution is not None
    assert decoded.operation_id == decoded.execution.adopted_id


def test_operation_id_of_an_invalid_execution_is_no_violation() -> None:
    """The execution is."""
    sent = {"kind": "started", "occurred_at": AT, "execution": {**EXECUTION, "run_id": ""}}
    assert [one.split(":")[0] for one in violations(sent)] == ["execution.run_id"]


def test_updates_of_the_python_sdk_are_decoded() -> None:
    """The dataclasses of `opledger.wire`, as Temporal's converter encodes them."""
    error = ReportedError("disk full", type="DiskFull", non_retryable=True, details=[{"disk": 1}])
    sent = StatusUpdate(ID, UpdateKind.FAILED, AT, attempt=2, may_retry=True, error=error)
    report = decode_status_update(json.loads(json.dumps(asdict(sent)))).report
    assert report.error is not None
    assert (report.error.code, report.error.message) == (ErrorCode.WORKFLOW_FAILED, "disk full")
    assert report.error.details == {"non_retryable": True, "type": "DiskFull", "details": [{"disk": 1}]}
    assert (report.provisional, report.attempt) == (True, 2)
    progress = StatusUpdate(ID, UpdateKind.PROGRESS, AT, progress=ReportedProgress(0.5, "half"))
    assert decode_status_update(json.loads(json.dumps(asdict(progress)))).report.progress == Progress(0.5, "half")


def test_null_is_an_absent_field() -> None:
    """Go sends null for an empty list and an unset pointer, Java for every unset field."""
    nothing = dict.fromkeys(("attempt", "may_retry", "result", "result_omitted", "error", "progress"))
    assert decode_status_update(update(**nothing)) == decode_status_update(update())
    empty = {"message": "boom", "type": None, "non_retryable": None, "details": None}
    report = decode_status_update(update("failed", error=empty)).report
    assert report.error is not None
    assert report.error.details == {"non_retryable": False}


@pytest.mark.parametrize(("sent", "read"), [(0, 1), (1, 1), (3.0, 3), (2**31 - 1, 2**31 - 1)])
def test_attempts_are_decoded(sent: float, read: int) -> None:
    """Go sends zero for an unset number, a language without integers sends 3.0."""
    assert decode_status_update(update(attempt=sent)).report.attempt == read


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("2026-01-01T10:00:00Z", datetime(2026, 1, 1, 10, tzinfo=UTC)),
        ("2026-01-01t10:00:00z", datetime(2026, 1, 1, 10, tzinfo=UTC)),
        ("2026-01-01T10:00:00.123456789Z", datetime(2026, 1, 1, 10, 0, 0, 123456, tzinfo=UTC)),
        ("2026-01-01T10:00:00.5-03:30", datetime(2026, 1, 1, 13, 30, 0, 500000, tzinfo=UTC)),
    ],
)
def test_times_are_decoded(sent: str, read: datetime) -> None:
    """Go and Java send nanoseconds, JavaScript milliseconds with a Z."""
    assert decode_status_update(update(occurred_at=sent)).report.at == read


def test_unknown_fields_are_ignored() -> None:
    """An older ledger accepts the reports of a newer worker."""
    assert decode_status_update(update(severity=3, progress={"fraction": 0.5, "unit": "rows"})) == decode_status_update(
        update()
    )


def test_an_omitted_result_is_provisional() -> None:
    """The ledger fetches it from the engine."""
    assert decode_status_update(update("completed", result_omitted=True)).report.provisional


@pytest.mark.parametrize("result", [float("nan"), {"a": [float("-inf")]}])
def test_a_result_with_nan_is_provisional(result: object) -> None:
    """The ledger fetches it from the engine, with a note about the numbers that JSON does not have."""
    report = decode_status_update(update("completed", result=result)).report
    assert (report.result, report.provisional) == (None, True)


def test_nan_in_details_is_replaced_by_null() -> None:
    """With a note about its place."""
    report = decode_status_update(update("failed", error={"message": "m", "details": [1, float("inf")]})).report
    assert report.error is not None
    assert report.error.details["details"] == [1, None]
    assert str(report.error.details["unreadable"]).endswith("shown as null: /1")


def test_a_canceled_report_has_its_code() -> None:
    """Hazard 9."""
    report = decode_status_update(update("canceled")).report
    assert report.error is not None
    assert (report.error.code, report.error.message) == (ErrorCode.CANCELED, "canceled")


@pytest.mark.parametrize(
    ("progress", "expected"),
    [
        ({"fraction": 0.5, "message": "half"}, (0.5, "half")),
        ({"fraction": 7}, (1.0, None)),
        ({"fraction": -1}, (0.0, None)),
        ({"message": "x" * 5000}, (None, "x" * 999 + "…")),
        ({"message": "a\x00b\udc00"}, (None, "a�b?")),
    ],
    ids=["in bounds", "above", "below", "long", "unprintable"],
)
def test_progress_is_reduced_to_its_limits(progress: object, expected: tuple[float, str]) -> None:
    """The database would refuse other values."""
    report = decode_status_update(update("progress", progress=progress)).report
    assert report.progress is not None
    assert (report.progress.fraction, report.progress.message) == expected


T = datetime(2026, 1, 1, 10, tzinfo=UTC)


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ({"name": "wipe"}, Step("wipe", StepState.RUNNING, T, T)),
        (
            {"name": "x" * 100, "state": None, "started_at": None, "fraction": None},
            Step("x" * 100, StepState.RUNNING, T, T),
        ),
        (
            {
                "name": "wipe",
                "state": "failed",
                "started_at": "2026-01-01T10:00:00Z",
                "updated_at": "2026-01-01T10:00:05Z",
                "fraction": 7,
                "message": "m" * 500,
                "weight": 3,
            },
            Step("wipe", StepState.FAILED, T, T + timedelta(seconds=5), 1.0, "m" * 199 + "…"),
        ),
    ],
    ids=["name alone", "nulls", "all fields"],
)
def test_steps_are_decoded(sent: dict[str, Any], read: Step) -> None:
    """What is missing is the time of the report, and a step that runs."""
    report = decode_status_update(update("progress", progress={"steps": [sent]}, occurred_at=T.isoformat())).report
    assert report.progress == Progress(steps=(read,))


def test_steps_of_the_python_sdk_are_decoded() -> None:
    """The dataclasses of `opledger.wire`, as Temporal's converter encodes them."""
    step = ReportedStep("wipe", ReportedState.COMPLETED, AT, AT, 0.5, "half")
    sent = StatusUpdate(ID, UpdateKind.PROGRESS, AT, progress=ReportedProgress(steps=[step]))
    progress = decode_status_update(json.loads(json.dumps(asdict(sent)))).report.progress
    assert progress is not None
    assert progress.steps == (Step("wipe", StepState.COMPLETED, T, T, 0.5, "half"),)


@pytest.mark.parametrize(
    ("steps", "expected"),
    [
        ("wipe", ["progress.steps: a list; it is 'wipe'"]),
        (["wipe"], ["progress.steps.0: an object; it is 'wipe'"]),
        ([{"name": "a"}] * 101, ["progress.steps: at most 100 objects; it has 101"]),
        ([{}], ["progress.steps.0.name: a string of 1 to 100 characters without U+0000; it is missing"]),
        ([{"name": ""}], ["progress.steps.0.name: a string of 1 to 100 characters without U+0000; it is ''"]),
        ([{"name": "x" * 101}], ["progress.steps.0.name: a string of 1 to 100 characters without U+0000; it is 'x"]),
        ([{"name": "\0"}], ["progress.steps.0.name: a string of 1 to 100 characters without U+0000; it is '"]),
        (
            [{"name": "a"}, {"name": "b", "state": "RUNNING", "started_at": "now", "startedAt": AT}],
            [
                "progress.steps.1.startedAt: the field is named progress.steps.1.started_at",
                "progress.steps.1.state: one of running, completed, failed, in lower case; it is 'RUNNING'",
                "progress.steps.1.started_at: a time in RFC 3339",
            ],
        ),
    ],
    ids=["no list", "no object", "too many", "no name", "empty", "long", "unprintable", "several"],
)
def test_invalid_steps_are_refused(steps: object, expected: list[str]) -> None:
    """With the place of each field."""
    found = violations(update("progress", progress={"steps": steps}))
    assert [one.startswith(rule) for one, rule in zip(found, expected, strict=True)] == [True] * len(expected)


def test_a_long_error_message_is_cut() -> None:
    """The failure is recorded."""
    report = decode_status_update(update("failed", error={"message": "m" * 100_000, "type": "T" * 1000})).report
    assert report.error is not None
    assert len(report.error.message) == 10_000
    assert len(str(report.error.details["type"])) == 255


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, ["it is not an object but None"]),
        ([update()], ["it is not an object but a list"]),
        (update("STARTED"), [f"{KIND_RULE} 'STARTED'"]),
        (update(kind={}), [f"{KIND_RULE} an object"]),
        (update(occurred_at=None), [f"{TIME_RULE} missing"]),
        (update(occurred_at="2026-01-01T12:00:00"), [f"{TIME_RULE} '2026-01-01T12:00:00'"]),
        (update(occurred_at="yesterday"), [f"{TIME_RULE} 'yesterday'"]),
        (update(occurred_at=1767261600.5), [f"{TIME_RULE} 1767261600.5"]),
        (update(occurred_at="2026-13-01T00:00:00Z"), [f"{TIME_RULE} '2026-13-01T00:00:00Z'"]),
        (update(occurred_at="0001-01-01T00:00:00+23:59"), [f"{TIME_RULE} '0001-01-01T00:00:00+23:59'"]),
        (update(operation_id="m1"), ["operation_id: a UUID in its canonical form; it is 'm1'"]),
        (update(operation_id="\ud800" * 100), [f"operation_id: a UUID in its canonical form; it is '{chr(92)}ud800"]),
        (update(attempt=10**30), ["attempt: an integer from 0 to 2147483647; it is 1000000000000000000000000000000"]),
        (update(attempt=10**4000), ["attempt: an integer from 0 to 2147483647; it is a very large integer"]),
        (update(attempt=1.5), ["attempt: an integer from 0 to 2147483647; it is 1.5"]),
        (update(attempt=True), ["attempt: an integer from 0 to 2147483647; it is True"]),
        (update(attempt=-1), ["attempt: an integer from 0 to 2147483647; it is -1"]),
        (update(may_retry="yes"), ["may_retry: true or false; it is 'yes'"]),
        (update(mayRetry=True), ["mayRetry: the field is named may_retry"]),
        (update("progress"), ["progress: an object with fraction, message, steps or several of them; it is missing"]),
        (update("progress", progress=0.5), ["progress: an object; it is 0.5"]),
        (
            update("progress", progress={"fraction": float("nan"), "message": 3}),
            ["progress.fraction: a finite number; it is nan", "progress.message: a string; it is 3"],
        ),
        (update("progress", progress={"fraction": "0.5"}), ["progress.fraction: a finite number; it is '0.5'"]),
        (update("progress", progress={"fraction": 10**400}), ["progress.fraction: a finite number; it is a very"]),
        (update("failed", error="boom"), ["error: an object; it is 'boom'"]),
        (
            update("failed", error={"details": {}, "nonRetryable": True}),
            [
                "error.nonRetryable: the field is named error.non_retryable",
                "error.message: a string; it is missing",
                "error.details: a list; it is an object",
            ],
        ),
    ],
)
def test_an_invalid_update_is_refused(value: object, expected: list[str]) -> None:
    """With field, rule and value: a worker in another language may send anything."""
    found = violations(value)
    assert len(found) == len(expected)
    for violation, words in zip(found, expected, strict=True):
        assert violation.startswith(words)


def test_every_violation_is_reported() -> None:
    """Not only the first."""
    found = violations({"operationId": ID, "kind": "DONE", "occurredAt": AT, "attempt": "one"})
    assert [violation.split(":")[0] for violation in found] == [
        "operationId",
        "occurredAt",
        "operation_id",
        "occurred_at",
        "kind",
        "attempt",
    ]


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)
FIELDS = [
    "operation_id",
    "kind",
    "occurred_at",
    "attempt",
    "may_retry",
    "result",
    "error",
    "progress",
    "execution",
    "Kind",
]


@given(st.dictionaries(st.sampled_from(FIELDS), json_values | st.sampled_from([ID, AT, *UpdateKind])))
def test_any_json_is_decoded_or_refused(value: dict[str, Any]) -> None:
    """Any other error would be retried until the caller's timeout."""
    try:
        decode_status_update(value)
    except InvalidArgument as error:
        assert error.violations  # noqa: PT017
        str(error).encode()


EXECUTION = {
    "namespace": "default",
    "workflow_id": "order-7",
    "run_id": "run-2",
    "first_run_id": "run-1",
    "workflow_type": "OrderWorkflow",
    "task_queue": "orders",
    "started_at": AT,
}
PARENT = {"workflow_id": "cart-7", "first_run_id": "run-0", "operation_id": ID}


def test_an_execution_is_decoded() -> None:
    """As the plugin sends it."""
    execution = decode_status_update(update(execution={**EXECUTION, "parent": PARENT})).execution
    started_at = datetime(2026, 1, 1, 10, tzinfo=UTC)
    parent = ReportedParent("cart-7", "run-0", UUID(ID))
    assert execution == ReportedExecution(
        "default", "order-7", "run-2", "run-1", "OrderWorkflow", "orders", started_at, parent
    )
    assert execution.run == Run("order-7", "run-2")
    assert execution.adopted_id == adopted_id("default", "order-7", "run-1")


def test_the_plugin_may_know_little_of_the_parent() -> None:
    """The parent's worker has no plugin."""
    partial = {"workflow_id": "cart-7", "first_run_id": None, "operation_id": None}
    execution = decode_status_update(update(execution={**EXECUTION, "parent": partial})).execution
    assert execution is not None
    assert execution.parent == ReportedParent("cart-7")
    assert decode_status_update(update(execution=None)).execution is None


@pytest.mark.parametrize(
    ("changed", "violation"),
    [
        ({"workflow_id": ""}, "execution.workflow_id: a string of 1 to 1000 bytes without U+0000; it is ''"),
        ({"run_id": None}, "execution.run_id: a string of 1 to 1000 bytes without U+0000; it is missing"),
        ({"workflow_id": "\0"}, "execution.workflow_id: a string of 1 to 1000 bytes without U+0000; it is '\\x00'"),
        ({"task_queue": 3}, "execution.task_queue: a string of 1 to 1000 bytes without U+0000; it is 3"),
        ({"started_at": "now"}, f"execution.started_at: {TIME_RULE.removeprefix('occurred_at: ')} 'now'"),
        ({"parent": "x"}, "execution.parent: an object; it is 'x'"),
        (
            {"parent": {"workflow_id": "w", "operation_id": "x"}},
            "execution.parent.operation_id: a UUID in its canonical form; it is 'x'",
        ),
        (
            {"parent": {}},
            "execution.parent.workflow_id: a string of 1 to 1000 bytes without U+0000; it is missing",
        ),
    ],
)
def test_an_invalid_execution_is_refused(changed: dict[str, object], violation: str) -> None:
    """With the place of the field."""
    assert violations(update(execution={**EXECUTION, **changed})) == [violation]


def test_the_longest_id_is_counted_in_bytes() -> None:
    """As Temporal and the database count."""
    assert decode_status_update(update(execution={**EXECUTION, "workflow_id": "ä" * 500})).execution is not None
    assert len(violations(update(execution={**EXECUTION, "workflow_id": "ä" * 501}))) == 1

"""Status updates as JSON: what every SDK naturally sends is read; everything else is refused, with every fault."""

import json
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from domain.operation.operation_error import ErrorCode
from domain.operation.report import Progress, ReportKind
from entrypoints.worker.raw_arguments import InvalidArgument
from entrypoints.worker.wire_reports import read_update
from opledger.wire import ReportedError, ReportedProgress, StatusUpdate, UpdateKind

ID = "019a0000-0000-7000-8000-000000000001"
AT = "2026-01-01T12:00:00+02:00"
KIND_RULE = "kind: one of started, progress, completed, failed, canceled, in lower case; it is"
TIME_RULE = "occurred_at: a time in RFC 3339 with a zone, such as 2026-01-31T12:00:00.5Z; it is"


def update(kind: Any = "started", **fields: object) -> dict[str, Any]:
    """The JSON of a report."""
    return {"operation_id": ID, "kind": kind, "occurred_at": AT, **fields}


def faults(value: Any) -> list[str]:
    """Why it is refused."""
    with pytest.raises(InvalidArgument) as refused:
        read_update(value)
    return refused.value.faults


@pytest.mark.parametrize("kind", list(UpdateKind))
def test_every_kind_is_read(kind: UpdateKind) -> None:
    """Cancelled is a failure with a code, as google.longrunning has it; times become UTC."""
    operation_id, report = read_update(update(kind, progress={"fraction": 0}))
    assert str(operation_id) == ID
    assert report.kind is (ReportKind.FAILED if kind is UpdateKind.CANCELED else ReportKind(kind.upper()))
    assert report.at == datetime(2026, 1, 1, 10, tzinfo=UTC)
    assert report.at.utcoffset() == timedelta()


def test_what_the_python_sdk_sends_is_read() -> None:
    """The dataclasses of `opledger.wire`, as Temporal's converter writes them."""
    error = ReportedError("disk full", type="DiskFull", non_retryable=True, details=[{"disk": 1}])
    sent = StatusUpdate(ID, UpdateKind.FAILED, AT, attempt=2, may_retry=True, error=error)
    _, report = read_update(json.loads(json.dumps(asdict(sent))))
    assert report.error is not None
    assert (report.error.code, report.error.message) == (ErrorCode.WORKFLOW_FAILED, "disk full")
    assert report.error.details == {"non_retryable": True, "type": "DiskFull", "details": [{"disk": 1}]}
    assert (report.provisional, report.attempt) == (True, 2)
    progress = StatusUpdate(ID, UpdateKind.PROGRESS, AT, progress=ReportedProgress(0.5, "half"))
    assert read_update(json.loads(json.dumps(asdict(progress))))[1].progress == Progress(0.5, "half")


def test_null_is_an_absent_field() -> None:
    """Go sends null for an empty list and for a pointer that is not set; Java for every field that is not set."""
    nothing = dict.fromkeys(("attempt", "may_retry", "result", "result_omitted", "error", "progress"))
    assert read_update(update(**nothing)) == read_update(update())
    empty = {"message": "boom", "type": None, "non_retryable": None, "details": None}
    _, report = read_update(update("failed", error=empty))
    assert report.error is not None
    assert report.error.details == {"non_retryable": False}


@pytest.mark.parametrize(("sent", "read"), [(0, 1), (1, 1), (3.0, 3), (2**31 - 1, 2**31 - 1)])
def test_attempts_are_read(sent: float, read: int) -> None:
    """Zero is what Go sends for a number that is not set, 3.0 what a language without integers sends."""
    assert read_update(update(attempt=sent))[1].attempt == read


@pytest.mark.parametrize(
    ("sent", "read"),
    [
        ("2026-01-01T10:00:00Z", datetime(2026, 1, 1, 10, tzinfo=UTC)),
        ("2026-01-01t10:00:00z", datetime(2026, 1, 1, 10, tzinfo=UTC)),
        ("2026-01-01T10:00:00.123456789Z", datetime(2026, 1, 1, 10, 0, 0, 123456, tzinfo=UTC)),
        ("2026-01-01T10:00:00.5-03:30", datetime(2026, 1, 1, 13, 30, 0, 500000, tzinfo=UTC)),
    ],
)
def test_times_are_read(sent: str, read: datetime) -> None:
    """Go and Java send nanoseconds, JavaScript milliseconds with a Z."""
    assert read_update(update(occurred_at=sent))[1].at == read


def test_unknown_fields_are_ignored() -> None:
    """An older ledger takes the reports of a newer worker."""
    assert read_update(update(severity=3, progress={"fraction": 0.5, "unit": "rows"})) == read_update(update())


def test_result_that_is_left_out_is_provisional() -> None:
    """The ledger fetches it from the engine."""
    assert read_update(update("completed", result_omitted=True))[1].provisional


@pytest.mark.parametrize("result", [float("nan"), {"a": [float("-inf")]}])
def test_result_with_nan_is_left_to_the_engine(result: object) -> None:
    """What the engine has is read with a note about the numbers that JSON does not have."""
    _, report = read_update(update("completed", result=result))
    assert (report.result, report.provisional) == (None, True)


def test_nan_in_details_is_noted() -> None:
    """Null in its place, and a note where."""
    _, report = read_update(update("failed", error={"message": "m", "details": [1, float("inf")]}))
    assert report.error is not None
    assert report.error.details["details"] == [1, None]
    assert str(report.error.details["unreadable"]).endswith("shown as null: /1")


def test_canceled_report_has_its_code() -> None:
    """Hazard 9."""
    _, report = read_update(update("canceled"))
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
def test_progress_is_kept_within_bounds(progress: object, expected: tuple[float, str]) -> None:
    """The database would refuse anything else."""
    _, report = read_update(update("progress", progress=progress))
    assert report.progress is not None
    assert (report.progress.fraction, report.progress.message) == expected


def test_long_words_of_an_error_are_cut() -> None:
    """A failure with a very long message is a failure all the same."""
    _, report = read_update(update("failed", error={"message": "m" * 100_000, "type": "T" * 1000}))
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
        (update("progress"), ["progress: an object with fraction, message or both; it is missing"]),
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
def test_what_cannot_be_read_is_refused(value: object, expected: list[str]) -> None:
    """A worker in another language may send anything: the refusal names the field, the rule, and what was sent."""
    found = faults(value)
    assert len(found) == len(expected)
    for fault, words in zip(found, expected, strict=True):
        assert fault.startswith(words)


def test_every_fault_is_named() -> None:
    """And not only the first."""
    found = faults({"operationId": ID, "kind": "DONE", "occurredAt": AT, "attempt": "one"})
    assert [fault.split(":")[0] for fault in found] == [
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
FIELDS = ["operation_id", "kind", "occurred_at", "attempt", "may_retry", "result", "error", "progress", "Kind"]


@given(st.dictionaries(st.sampled_from(FIELDS), json_values | st.sampled_from([ID, AT, *UpdateKind])))
def test_anything_is_read_or_refused(value: dict[str, Any]) -> None:
    """Nothing else is raised: any other error would be retried until the caller's timeout."""
    try:
        read_update(value)
    except InvalidArgument as error:
        assert error.faults  # noqa: PT017
        str(error).encode()

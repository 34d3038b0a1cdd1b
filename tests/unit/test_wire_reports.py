"""From the wire to the domain: every kind, and what no SDK of ours would send."""

from datetime import UTC, datetime, timedelta

import pytest

from domain.evidence import ReportKind
from domain.operation_error import ErrorCode
from entrypoints.worker.wire_reports import read_update
from opledger.wire import ReportedError, ReportedProgress, StatusUpdate, UpdateKind

ID = "019a0000-0000-7000-8000-000000000001"
AT = "2026-01-01T12:00:00+02:00"


def update(kind: UpdateKind, **fields: object) -> StatusUpdate:
    return StatusUpdate(operation_id=ID, kind=kind, occurred_at=AT, **fields)  # type: ignore[arg-type]


@pytest.mark.parametrize("kind", list(UpdateKind))
def test_every_kind_is_read(kind: UpdateKind) -> None:
    """Cancelled is a failure with a code, as google.longrunning has it; times become UTC."""
    operation_id, report = read_update(update(kind))
    assert str(operation_id) == ID
    assert report.kind is (ReportKind.FAILED if kind is UpdateKind.CANCELED else ReportKind(kind.upper()))
    assert report.at == datetime(2026, 1, 1, 10, tzinfo=UTC)
    assert report.at.utcoffset() == timedelta()


def test_errors_keep_the_root_cause_and_their_details() -> None:
    """Hazard 13."""
    error = ReportedError("disk full", type="DiskFull", non_retryable=True, details=[{"disk": 1}])
    _, report = read_update(update(UpdateKind.FAILED, error=error, may_retry=True, attempt=2))
    assert report.error is not None
    assert (report.error.code, report.error.message) == (ErrorCode.WORKFLOW_FAILED, "disk full")
    assert report.error.details == {"non_retryable": True, "type": "DiskFull", "details": [{"disk": 1}]}
    assert (report.provisional, report.attempt) == (True, 2)


def test_a_left_out_result_is_provisional() -> None:
    """The ledger fetches it from the engine."""
    assert read_update(update(UpdateKind.COMPLETED, result_omitted=True))[1].provisional


def test_a_canceled_report_has_its_code() -> None:
    """Hazard 9."""
    _, report = read_update(update(UpdateKind.CANCELED))
    assert report.error is not None
    assert report.error.code is ErrorCode.CANCELED


@pytest.mark.parametrize(
    ("progress", "expected"),
    [((0.5, "half"), (0.5, "half")), ((7.0, None), (1.0, None)), ((float("nan"), "x"), (None, "x"))],
)
def test_progress_is_kept_within_bounds(progress: tuple[float, str], expected: tuple[float, str]) -> None:
    """The database would refuse anything else, for ever."""
    _, report = read_update(update(UpdateKind.PROGRESS, progress=ReportedProgress(*progress)))
    assert report.progress is not None
    assert (report.progress.fraction, report.progress.message) == expected


@pytest.mark.parametrize(
    "bad",
    [
        StatusUpdate("not-a-uuid", UpdateKind.STARTED, AT),
        StatusUpdate(ID, "asleep", AT),  # type: ignore[arg-type]
        StatusUpdate(ID, UpdateKind.STARTED, "yesterday"),
        StatusUpdate(ID, UpdateKind.STARTED, "2026-01-01T12:00:00"),
    ],
)
def test_what_cannot_be_read_is_refused(bad: StatusUpdate) -> None:
    """A worker in another language may send anything."""
    with pytest.raises(ValueError):  # noqa: PT011 - whatever it says, the activity names the update
        read_update(bad)

"""Decoding of clients' reports about the starts of workflows."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from domain.evidence.start_report import StartReport, StartReportKind
from entrypoints.reports.object_decoder import InvalidArgument
from entrypoints.reports.start_report import StartReportRead, decode_report
from entrypoints.reports.status_update import StatusUpdateRead, decode_status_update
from tests.unit.entrypoints.reports.test_status_update import EXECUTION, ID, update

NOON = datetime(2026, 1, 1, 10, tzinfo=UTC)


def violations(value: Any) -> list[str]:
    """Returns why a report is refused."""
    with pytest.raises(InvalidArgument) as refused:
        decode_report(value)
    return refused.value.violations


def test_a_started_execution_is_decoded() -> None:
    """The block is that of a status update."""
    decoded = decode_report(update("dispatched", execution=EXECUTION, error=None))
    execution = decode_status_update(update(execution=EXECUTION)).execution
    assert decoded == StartReportRead(
        UUID(ID), StartReport(StartReportKind.DISPATCHED, NOON, execution, "the engine refused the start")
    )


def test_a_refused_start_is_decoded() -> None:
    """With the engine's message."""
    error = {"message": "already started", "type": "WorkflowAlreadyStartedError", "non_retryable": False, "details": []}
    decoded = decode_report(update("start_rejected", execution=None, error=error))
    assert decoded == StartReportRead(
        UUID(ID), StartReport(StartReportKind.START_REJECTED, NOON, None, "already started")
    )


def test_a_started_execution_must_be_named() -> None:
    """Its run is what the ledger cannot know by itself."""
    assert violations(update("dispatched")) == [
        "execution: an object that names the started execution; it is missing",
    ]


def test_all_violations_are_listed() -> None:
    """As for status updates."""
    refused = violations({"kind": "start_rejected", "operation_id": "x", "error": {"message": 1}})
    assert [violation.split(":")[0] for violation in refused] == ["operation_id", "occurred_at", "error.message"]


@pytest.mark.parametrize("kind", ["started", "progress"])
def test_other_reports_are_status_updates(kind: str) -> None:
    """Both have one route."""
    report = update(kind, progress={"fraction": 0.5})
    assert isinstance(decode_report(report), StatusUpdateRead)


@pytest.mark.parametrize("value", [None, [], "x"])
def test_a_report_is_an_object(value: object) -> None:
    """Anything else is refused."""
    assert violations(value)[0].startswith("it is not an object")

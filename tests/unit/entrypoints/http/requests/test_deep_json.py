"""Hazard 12: values nested too deeply for a parser or the database never reach the ledger."""

import json

import pytest
from temporalio.api.common.v1 import Payload

from adapters.postgres.operations.json_text import MAX_DEPTH as STORABLE_DEPTH
from adapters.temporal.payloads.payloads import UnreadablePayload, json_of
from domain.json_value import MAX_DEPTH, JsonValue, too_deep
from entrypoints.reports.status_update import decode_status_update

ID = "019a0000-0000-7000-8000-000000000001"
AT = "2026-01-01T00:00:00Z"


def nested(depth: int) -> JsonValue:
    """Returns lists within lists."""
    value: JsonValue = 1
    for _ in range(depth):
        value = [value]
    return value


def payload(depth: int) -> Payload:
    """Returns a payload as a workflow returns it. `json.dumps` does not encode this depth."""
    return Payload(metadata={"encoding": b"json/plain"}, data=b"[" * depth + b"1" + b"]" * depth)


def test_the_limit_of_the_depth_is_exact() -> None:
    """A value at the limit is accepted."""
    assert not too_deep(nested(MAX_DEPTH))
    assert too_deep(nested(MAX_DEPTH + 1))
    assert too_deep({"a": nested(MAX_DEPTH)})
    assert not too_deep("x")


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 150, 450, 100_000])
def test_a_deep_result_of_the_engine_is_recorded_as_unreadable(depth: int) -> None:
    """Otherwise the close could not be recorded, and the operation would stay RUNNING."""
    with pytest.raises(UnreadablePayload):
        json_of(payload(depth))
    assert json_of(payload(MAX_DEPTH)) == nested(MAX_DEPTH)


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 450])
def test_a_report_with_a_deep_result_is_provisional(depth: int) -> None:
    """The engine is asked for the result."""
    update: JsonValue = {"operation_id": ID, "kind": "completed", "occurred_at": AT, "result": nested(depth)}
    report = decode_status_update(update).report
    assert report.result is None
    assert report.provisional


def test_deep_details_of_an_error_are_left_out() -> None:
    """The message is recorded."""
    error: JsonValue = {"message": "boom", "details": [nested(450)]}
    report = decode_status_update({"operation_id": ID, "kind": "failed", "occurred_at": AT, "error": error}).report
    assert report.error is not None
    assert "details" not in report.error.details
    assert "nested too deeply" in str(report.error.details["unreadable"])


def test_the_database_stores_every_accepted_depth() -> None:
    """A result is nested in a report, details in an error: some levels more."""
    assert MAX_DEPTH + 10 <= STORABLE_DEPTH
    assert json.loads(json.dumps(nested(STORABLE_DEPTH))) == nested(STORABLE_DEPTH)

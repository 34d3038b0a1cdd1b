"""Values nested so deeply that a reader or the database would choke never reach the ledger (hazard 12)."""

import json

import pytest
from temporalio.api.common.v1 import Payload

from adapters.postgres.operations.json_text import MAX_DEPTH as STORABLE_DEPTH
from adapters.temporal.payloads.payloads import UnreadablePayload, json_of
from domain.json_value import MAX_DEPTH, JsonValue, too_deep
from entrypoints.worker.wire_reports import read_update

ID = "019a0000-0000-7000-8000-000000000001"
AT = "2026-01-01T00:00:00Z"


def nested(depth: int) -> JsonValue:
    """Lists in lists."""
    value: JsonValue = 1
    for _ in range(depth):
        value = [value]
    return value


def payload(depth: int) -> Payload:
    """As a workflow returns it; `json.dumps` would not do it that deep."""
    return Payload(metadata={"encoding": b"json/plain"}, data=b"[" * depth + b"1" + b"]" * depth)


def test_depth_is_told_apart_exactly() -> None:
    """The limit itself fits."""
    assert not too_deep(nested(MAX_DEPTH))
    assert too_deep(nested(MAX_DEPTH + 1))
    assert too_deep({"a": nested(MAX_DEPTH)})
    assert not too_deep("x")


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 150, 450, 100_000])
def test_a_deep_result_of_the_engine_is_unreadable_not_fatal(depth: int) -> None:
    """Else the close could never be recorded, and the operation would stay RUNNING for ever."""
    with pytest.raises(UnreadablePayload):
        json_of(payload(depth))
    assert json_of(payload(MAX_DEPTH)) == nested(MAX_DEPTH)


@pytest.mark.parametrize("depth", [MAX_DEPTH + 1, 450])
def test_a_deep_result_of_a_report_is_left_to_the_engine(depth: int) -> None:
    """The report is provisional: the engine is asked."""
    _, report = read_update({"operation_id": ID, "kind": "completed", "occurred_at": AT, "result": nested(depth)})
    assert report.result is None
    assert report.provisional


def test_deep_details_of_an_error_are_left_out() -> None:
    """The message is what matters; the write must not fail."""
    error: JsonValue = {"message": "boom", "details": [nested(450)]}
    _, report = read_update({"operation_id": ID, "kind": "failed", "occurred_at": AT, "error": error})
    assert report.error is not None
    assert "details" not in report.error.details
    assert "nested too deeply" in str(report.error.details["unreadable"])


def test_the_store_takes_what_the_ledger_lets_in() -> None:
    """A result is stored inside a report, details inside an error: some levels more."""
    assert MAX_DEPTH + 10 <= STORABLE_DEPTH
    assert json.loads(json.dumps(nested(STORABLE_DEPTH))) == nested(STORABLE_DEPTH)

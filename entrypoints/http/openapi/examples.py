"""Examples in the OpenAPI document."""

from typing import Any, Final

from domain.operation.operation_error import ErrorCode

_ID = "019b76da-a800-7000-8000-000000000001"
_ACCEPTED: Final[dict[str, Any]] = {
    "id": _ID,
    "type": "deploy",
    "status": "ACCEPTED",
    "done": False,
    "input": {"seconds": 3},
    "labels": {"team": "a"},
    "result": None,
    "error": None,
    "progress": None,
    "accepted_at": "2026-01-01T00:00:00Z",
    "started_at": None,
    "finished_at": None,
    "updated_at": "2026-01-01T00:00:00Z",
    "cancel_requested": None,
    "attention": None,
    "execution": {"workflow_id": _ID, "origin": "LEDGER"},
    "retry_of": None,
    "retried_by": None,
    "keep": False,
    "start_at": None,
    "parent_id": None,
    "version": 1,
}
_RUNNING: Final = _ACCEPTED | {
    "status": "RUNNING",
    "progress": {
        "fraction": 0.4,
        "message": "copying",
        "steps": [
            {
                "name": "copy",
                "state": "RUNNING",
                "started_at": "2026-01-01T00:00:02Z",
                "finished_at": None,
                "fraction": None,
                "message": None,
            }
        ],
    },
    "started_at": "2026-01-01T00:00:01Z",
    "updated_at": "2026-01-01T00:00:02Z",
    "version": 3,
}
_ADOPTED: Final = _RUNNING | {
    "id": "58b0d3c2-4f2c-5a0e-9d0b-1f1f0a3c7d11",
    "execution": {"workflow_id": "nightly-deploy", "origin": "ADOPTED"},
    "progress": None,
    "version": 2,
}
_CANCEL_REQUEST: Final = {
    "at": "2026-01-01T00:00:03Z",
    "by": None,
    "reason": "no longer needed",
    "force": False,
    "delivered_at": None,
}
_UNDECLARED: Final = "'deplyo' is not a declared operation type (declared: deploy)"
_UNKNOWN_TYPE: Final = {
    "type": "urn:opledger:problem:unknown-operation-type",
    "title": "Unknown operation type",
    "status": 422,
    "detail": _UNDECLARED,
    "errors": [{"detail": _UNDECLARED, "pointer": "/operations/1/type"}],
}
_NEW_ID: Final = "019b76da-a800-7000-8000-000000000002"
_BULK: Final[dict[str, Any]] = {"filter": {"type": "deploy", "label": {"team": "a"}}, "dry_run": True}
_BULK_OPERATION: Final = _ACCEPTED | {
    "id": "019b76da-a800-7000-8000-000000000003",
    "input": {"filter": _BULK["filter"], "matching": 2},
    "labels": {},
    "execution": {"workflow_id": "019b76da-a800-7000-8000-000000000003", "origin": "LEDGER"},
}
_NONE: Final = {"ACCEPTED": 0, "RUNNING": 0, "COMPLETED": 0, "FAILED": 0}
_TYPE: Final = {
    "name": "deploy",
    "description": "Deploys a release to a machine",
    "input_schema": {"type": "object", "properties": {"seconds": {"type": "integer"}}, "required": ["seconds"]},
}
REQUESTS: Final[dict[str, Any]] = {
    "submitOperation": {"type": "deploy", "input": {"seconds": 3}, "labels": {"team": "a"}},
    "submitBatch": {
        "operations": [
            {"type": "deploy", "input": {"seconds": 3}, "labels": {"team": "a"}, "idempotency_key": "batch-7-deploy"},
            {"type": "deplyo"},
        ]
    },
    "adoptExecution": {"type": "deploy", "workflow_id": "nightly-deploy"},
    "recordOperation": {"type": "OrderWorkflow", "workflow_id": "order-7", "input": {"items": 2}},
    "sendReport": {
        "operation_id": "145597e8-cbf6-5ff4-b532-8e90ae6d7b05",
        "kind": "progress",
        "occurred_at": "2026-01-01T00:00:02Z",
        "progress": {"fraction": 0.4, "message": "copying"},
        "execution": {
            "namespace": "default",
            "workflow_id": "order-7",
            "run_id": "0192f3a4-5b6c-7d8e-9f00-112233445566",
            "first_run_id": "0192f3a4-5b6c-7d8e-9f00-112233445566",
            "workflow_type": "OrderWorkflow",
            "task_queue": "orders",
            "started_at": "2026-01-01T00:00:00Z",
        },
    },
    "cancelOperation": {"reason": "no longer needed"},
    "keepOperation": {"keep": True},
    "acknowledgeOperation": {"reason": "the team is on it"},
    "retryOperation": {"input": {"seconds": 5}, "delay": "10m"},
    "cancelOperations": _BULK | {"reason": "wrong release"},
    "retryOperations": _BULK | {"filter": _BULK["filter"] | {"status": ["FAILED"]}},
    "deleteOperations": _BULK | {"filter": _BULK["filter"] | {"finished_before": "2026-01-01T00:00:00Z"}},
    "acknowledgeOperations": _BULK,
}
"""By name of the route."""
ANSWERS: Final[dict[str, Any]] = {
    "submitOperation": _ACCEPTED,
    "submitBatch": {
        "items": [
            {"status": 202, "operation": _ACCEPTED, "replayed": False, "problem": None},
            {"status": 422, "operation": None, "replayed": False, "problem": _UNKNOWN_TYPE},
        ]
    },
    "adoptExecution": _ADOPTED,
    "recordOperation": _ACCEPTED
    | {
        "type": "order",
        "input": {"items": 2},
        "labels": {},
        "execution": {"workflow_id": "order-7", "origin": "CLIENT"},
    },
    "sendReport": {"outcome": "recorded"},
    "getOperation": _RUNNING,
    "listOperations": {"items": [_RUNNING], "next_page_token": None},
    "cancelOperation": _RUNNING | {"cancel_requested": _CANCEL_REQUEST, "version": 4},
    "keepOperation": _RUNNING | {"keep": True, "version": 4},
    "acknowledgeOperation": _RUNNING | {"version": 4},
    "retryOperation": _ACCEPTED
    | {
        "id": _NEW_ID,
        "input": {"seconds": 5},
        "start_at": "2026-01-01T00:10:00Z",
        "retry_of": _ID,
        "execution": {"workflow_id": _NEW_ID, "origin": "LEDGER"},
    },
    **{
        f"{verb}Operations": _BULK_OPERATION | {"type": f"opledger.{verb}"}
        for verb in ("cancel", "retry", "delete", "acknowledge")
    },
    **{
        f"{verb}Operations 200": {
            "matching": 2,
            "sample": [_RUNNING],
            "confirm": "dGhlIHRva2VuIG9mIGEgZHJ5IHJ1bg",
            "expires_at": "2026-01-01T00:15:00Z",
        }
        for verb in ("cancel", "retry", "delete", "acknowledge")
    },
    "listTargets": {
        "items": [
            {"operation_id": _ID, "outcome": "DONE", "code": None, "message": None, "new_operation_id": None},
            {
                "operation_id": _NEW_ID,
                "outcome": "SKIPPED",
                "code": "ALREADY_DONE",
                "message": "the operation is already COMPLETED",
                "new_operation_id": None,
            },
        ],
        "next_page_token": None,
    },
    "countOperations": {
        "by_status": _NONE | {"RUNNING": 1},
        "by_type": {"deploy": _NONE | {"RUNNING": 1}},
        "by_error_code": dict.fromkeys(ErrorCode, 0),
    },
    "readDurations": {
        "type": "deploy",
        "finished_after": "2026-01-01T00:00:00Z",
        "finished_before": "2026-01-02T00:00:00Z",
        "by_status": {
            "COMPLETED": {
                "count": 412,
                "sampled": False,
                "p50": 31.2,
                "p90": 58.9,
                "p95": 71.4,
                "p99": 140.2,
                "max": 301.7,
            },
            "FAILED": {"count": 1, "sampled": False, "p50": 3.1, "p90": 3.1, "p95": 3.1, "p99": 3.1, "max": 3.1},
        },
    },
    "readThroughput": {
        "window": "hour",
        "buckets": [{"at": "2026-01-01T00:00:00Z", "started": 12, "completed": 11, "failed": 1}],
        "failures": {"WORKFLOW_FAILED": {"deploy": 1}},
    },
    "listOperationTypes": {"items": [_TYPE]},
    "getOperationType": _TYPE,
    "listTransitions": {
        "items": [
            {
                "sequence": 1,
                "from": None,
                "to": "ACCEPTED",
                "source": "CLIENT",
                "reason": "accepted",
                "actor": None,
                "at": "2026-01-01T00:00:00Z",
                "details": {},
            }
        ]
    },
}
"""By name of the route; with a status behind the name, for this status alone."""

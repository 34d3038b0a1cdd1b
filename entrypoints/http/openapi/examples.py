"""Examples in the OpenAPI document."""

from typing import Any, Final

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
    "version": 1,
}
_RUNNING: Final = _ACCEPTED | {
    "status": "RUNNING",
    "progress": {"fraction": 0.4, "message": "copying"},
    "started_at": "2026-01-01T00:00:01Z",
    "updated_at": "2026-01-01T00:00:02Z",
    "version": 3,
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
_NONE: Final = {"ACCEPTED": 0, "RUNNING": 0, "COMPLETED": 0, "FAILED": 0}
REQUESTS: Final[dict[str, Any]] = {
    "submitOperation": {"type": "deploy", "input": {"seconds": 3}, "labels": {"team": "a"}},
    "submitBatch": {
        "operations": [
            {"type": "deploy", "input": {"seconds": 3}, "labels": {"team": "a"}, "idempotency_key": "batch-7-deploy"},
            {"type": "deplyo"},
        ]
    },
    "cancelOperation": {"reason": "no longer needed"},
}
ANSWERS: Final[dict[str, Any]] = {
    "submitOperation": _ACCEPTED,
    "submitBatch": {
        "items": [
            {"status": 202, "operation": _ACCEPTED, "replayed": False, "problem": None},
            {"status": 422, "operation": None, "replayed": False, "problem": _UNKNOWN_TYPE},
        ]
    },
    "getOperation": _RUNNING,
    "listOperations": {"items": [_RUNNING], "next_page_token": None},
    "cancelOperation": _RUNNING | {"cancel_requested": _CANCEL_REQUEST, "version": 4},
    "countOperations": {"by_status": _NONE | {"RUNNING": 1}, "by_type": {"deploy": _NONE | {"RUNNING": 1}}},
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

"""Order, tags and success descriptions of the OpenAPI document. The order follows an operation's life cycle."""

from typing import Any, Final

ORDER: Final = (
    "submitOperation",
    "submitBatch",
    "adoptExecution",
    "recordOperation",
    "getOperation",
    "listOperations",
    "countOperations",
    "readDurations",
    "readThroughput",
    "listOperationTypes",
    "getOperationType",
    "streamOperation",
    "streamEvents",
    "createStreamTicket",
    "listTransitions",
    "cancelOperation",
    "retryOperation",
    "acknowledgeOperation",
    "keepOperation",
    "deleteOperation",
    "cancelOperations",
    "retryOperations",
    "deleteOperations",
    "acknowledgeOperations",
    "listTargets",
    "sendReport",
    "receiveCallback",
    "live",
    "ready",
)
"""Operation ids. The methods of a path are sorted together, by the first of them."""
TAGS: Final = [
    {"name": "operations", "description": "Submit, adopt, read, list, cancel, retry, keep and delete operations"},
    {"name": "bulk actions", "description": "Cancel, retry, delete or acknowledge the operations that match a filter"},
    {"name": "operation types", "description": "The declared types and the schemas of their inputs"},
    {"name": "events", "description": "Server-sent events"},
    {"name": "reports", "description": "Sent by the plugin for Temporal's clients and workers"},
    {"name": "callbacks", "description": "Called by Temporal"},
    {"name": "health", "description": "Probes for orchestrators and load balancers"},
]
SUCCESS: Final = {
    "submitOperation": "The operation is stored and will run once",
    "submitBatch": "One result per submission, in the order of the request",
    "adoptExecution": "The operation of the execution. 201: it is new. 200: it existed",
    "recordOperation": "The operation is stored; the client starts its workflow",
    "getOperation": "The operation",
    "listOperations": "One page of operations",
    "countOperations": "Numbers of operations",
    "readDurations": "Percentiles of durations",
    "readThroughput": "Throughput over time",
    "listOperationTypes": "The declared operation types",
    "getOperationType": "The operation type",
    "createStreamTicket": "The stream ticket",
    "listTransitions": "The complete history, oldest first",
    "cancelOperation": "The cancellation request is stored; the worker delivers it to Temporal",
    "retryOperation": "The new operation is stored and will run once",
    "acknowledgeOperation": "The operation, without the attention",
    "keepOperation": "The operation",
    "deleteOperation": "The operation and its history are deleted",
    "cancelOperations": "The bulk action is stored as an operation, or was before",
    "retryOperations": "The bulk action is stored as an operation, or was before",
    "deleteOperations": "The bulk action is stored as an operation, or was before",
    "acknowledgeOperations": "The bulk action is stored as an operation, or was before",
    "listTargets": "One page of targets",
    "sendReport": "The report is stored, or says nothing new",
    "receiveCallback": "The callback is stored or contains nothing new",
    "live": "The process is alive",
    "ready": "The service is ready or degraded",
}
"""Description of the success response, by operation id."""


def in_order(schema: dict[str, Any]) -> dict[str, Any]:
    """The document with sorted paths, methods and tags. Raises ValueError for an operation id that ORDER lacks."""
    paths = {path: dict(sorted(item.items(), key=_place)) for path, item in schema["paths"].items()}
    schema["paths"] = dict(sorted(paths.items(), key=lambda path: min(map(_place, path[1].items()))))
    schema["tags"] = TAGS
    return schema


def _place(method: tuple[str, Any]) -> int:
    return ORDER.index(method[1]["operationId"])

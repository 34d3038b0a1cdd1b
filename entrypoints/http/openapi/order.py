"""The order of the OpenAPI document: the life cycle of an operation."""

from typing import Any, Final

ORDER: Final = (
    "submitOperation",
    "submitBatch",
    "getOperation",
    "listOperations",
    "countOperations",
    "streamOperation",
    "streamEvents",
    "createStreamTicket",
    "listTransitions",
    "cancelOperation",
    "deleteOperation",
    "receiveCallback",
    "live",
    "ready",
)
"""Operation ids. Methods of one path stand together, at the place of the first of them."""
TAGS: Final = [
    {"name": "operations", "description": "Submit, read, list, cancel and delete operations"},
    {"name": "events", "description": "Server-sent events"},
    {"name": "callbacks", "description": "Called by Temporal"},
    {"name": "health", "description": "Probes for orchestrators and load balancers"},
]
SUCCESS: Final = {
    "submitOperation": "The operation is stored, and runs once",
    "submitBatch": "One answer for each submission, in their order",
    "getOperation": "The operation",
    "listOperations": "One page of operations",
    "countOperations": "The numbers of operations",
    "createStreamTicket": "The ticket",
    "listTransitions": "The whole history, oldest first",
    "cancelOperation": "The cancellation request is stored; the worker delivers it to Temporal",
    "deleteOperation": "The operation and its history are deleted",
    "receiveCallback": "The callback is stored, or says nothing new",
    "live": "The process answers",
    "ready": "The service is ready, or degraded",
}
"""Description of the success response, by operation id."""


def in_order(schema: dict[str, Any]) -> dict[str, Any]:
    """The document with paths, methods and tags in this order. Raises ValueError for an operation that is not in it."""
    paths = {path: dict(sorted(item.items(), key=_place)) for path, item in schema["paths"].items()}
    schema["paths"] = dict(sorted(paths.items(), key=lambda path: min(map(_place, path[1].items()))))
    schema["tags"] = TAGS
    return schema


def _place(method: tuple[str, Any]) -> int:
    return ORDER.index(method[1]["operationId"])

"""Order, tags and success descriptions of the OpenAPI document. The order follows an operation's life cycle."""

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
"""Operation ids. The methods of a path are sorted together, by the first of them."""
TAGS: Final = [
    {"name": "operations", "description": "Submit, read, list, cancel and delete operations"},
    {"name": "events", "description": "Server-sent events"},
    {"name": "callbacks", "description": "Called by Temporal"},
    {"name": "health", "description": "Probes for orchestrators and load balancers"},
]
SUCCESS: Final = {
    "submitOperation": "The operation is stored and will run once",
    "submitBatch": "One result per submission, in the order of the request",
    "getOperation": "The operation",
    "listOperations": "One page of operations",
    "countOperations": "Numbers of operations",
    "createStreamTicket": "The stream ticket",
    "listTransitions": "The complete history, oldest first",
    "cancelOperation": "The cancellation request is stored; the worker delivers it to Temporal",
    "deleteOperation": "The operation and its history are deleted",
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

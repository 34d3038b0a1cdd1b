"""Schemas of the server-sent events in the OpenAPI document.

OpenAPI before 3.2 cannot describe event streams. By the convention of most tools, the schema of `text/event-stream` is
the schema of each event.
"""

from typing import Any, Final

from entrypoints.http.responses.event_ids import OF_OPERATION, OF_TENANT
from entrypoints.http.responses.sse import MEDIA_TYPE

_OPERATION: Final = {"$ref": "#/components/schemas/OperationBody"}
_LINE: Final = {
    "allOf": [
        {"$ref": "#/components/schemas/TransitionBody"},
        {"required": ["operation_id"], "properties": {"operation_id": {"type": "string", "format": "uuid"}}},
    ]
}


def _event(kind: str, data: dict[str, Any] | None = None, id_pattern: str | None = None) -> dict[str, Any]:
    """The schema of one kind of event. `data`: the schema of its JSON; None: an empty object."""
    content = {"type": "string", "contentMediaType": "application/json", "contentSchema": data}
    properties = {"event": {"const": kind}, "data": {"const": "{}"} if data is None else content}
    if id_pattern is not None:
        properties["id"] = {"type": "string", "pattern": id_pattern}
    return {"type": "object", "required": list(properties), "properties": properties}


def _changes(id_pattern: str) -> list[dict[str, Any]]:
    return [_event("operation", _OPERATION, id_pattern), _event("transition", _LINE, id_pattern)]


_EVENTS: Final = {
    "streamOperation": [*_changes(OF_OPERATION), _event("resync")],
    "streamEvents": [*_changes(OF_TENANT), _event("position", id_pattern=OF_TENANT), _event("resync")],
}
"""Event schemas by operation id."""


def with_events(schema: dict[str, Any]) -> dict[str, Any]:
    """The document with the schemas of the events of both streams."""
    for item in schema["paths"].values():
        for operation in item.values():
            events = _EVENTS.get(operation["operationId"])
            if events is not None:
                operation["responses"]["200"]["content"] = {MEDIA_TYPE: {"schema": {"oneOf": events}}}
    return schema

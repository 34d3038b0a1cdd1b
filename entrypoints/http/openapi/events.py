"""What the OpenAPI document says of the events of a stream.

OpenAPI has no word of its own for it before 3.2: as most tools have it, the schema of `text/event-stream` is that of
each event, as the HTML standard reads it.
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
    """`data`: the schema of the JSON in it; None: it says nothing."""
    content = {"type": "string", "contentMediaType": "application/json", "contentSchema": data}
    properties = {"event": {"const": kind}, "data": {"const": "{}"} if data is None else content}
    if id_pattern is not None:
        properties["id"] = {"type": "string", "pattern": id_pattern}
    return {"type": "object", "required": list(properties), "properties": properties}


def _news(id_pattern: str) -> list[dict[str, Any]]:
    return [_event("operation", _OPERATION, id_pattern), _event("transition", _LINE, id_pattern)]


_EVENTS: Final = {
    "streamOperation": [*_news(OF_OPERATION), _event("resync")],
    "streamEvents": [*_news(OF_TENANT), _event("position", id_pattern=OF_TENANT), _event("resync")],
}
"""By operation."""


def with_events(schema: dict[str, Any]) -> dict[str, Any]:
    """The document with the events of both streams, and what is in them."""
    for item in schema["paths"].values():
        for operation in item.values():
            events = _EVENTS.get(operation["operationId"])
            if events is not None:
                operation["responses"]["200"]["content"] = {MEDIA_TYPE: {"schema": {"oneOf": events}}}
    return schema

"""Links from responses to further operations in the OpenAPI document."""

from typing import Any, Final

_SUBMITTED: Final = {"operation_id": "$response.body#/id"}
_ASKED: Final = {"operation_id": "$request.path.operation_id"}


def _to(parameters: dict[str, str], **operations: str) -> dict[str, Any]:
    return {name: {"operationId": operation_id, "parameters": parameters} for name, operation_id in operations.items()}


_LOOK: Final = {"history": "listTransitions", "follow": "streamOperation"}
LINKS: Final[dict[str, dict[str, dict[str, Any]]]] = {
    "submitOperation": {"202": _to(_SUBMITTED, read="getOperation", cancel="cancelOperation", **_LOOK)},
    "adoptExecution": {
        status: _to(_SUBMITTED, read="getOperation", cancel="cancelOperation", **_LOOK) for status in ("200", "201")
    },
    "recordOperation": {"201": _to(_SUBMITTED, read="getOperation", **_LOOK)},
    "getOperation": {"200": _to(_ASKED, cancel="cancelOperation", delete="deleteOperation", **_LOOK)},
    "cancelOperation": {"202": _to(_ASKED, read="getOperation", delete="deleteOperation", **_LOOK)},
}
"""Links by operation id and status."""

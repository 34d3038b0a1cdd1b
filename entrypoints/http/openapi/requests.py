"""Errors of cross-origin requests and of slow or concurrent bodies in the OpenAPI document."""

from typing import Any, Final

from entrypoints.http.openapi.access import example
from entrypoints.http.problems.kinds import KINDS
from entrypoints.http.problems.problems import MEDIA_TYPE, ForeignOrigin, SlowBody, TooManyOpenBodies

_RETRY_AFTER: Final = {"description": "Seconds to wait before a retry", "schema": {"type": "integer"}}
_ERRORS: Final[dict[type[Exception], tuple[str, dict[str, Any]]]] = {
    ForeignOrigin: ("A web page of another origin sent the request", {}),
    SlowBody: ("The body arrived too slowly", {}),
    TooManyOpenBodies: ("Too many request bodies of this client are still arriving", {"Retry-After": _RETRY_AFTER}),
}


def with_request_checks(schema: dict[str, Any]) -> dict[str, Any]:
    """The document with these errors for the operations that can return them."""
    for item in schema["paths"].values():
        for method, operation in item.items():
            if method != "get":
                _add(operation, ForeignOrigin)
            if "requestBody" in operation:
                _add(operation, SlowBody)
                _add(operation, TooManyOpenBodies)
    return schema


def _add(operation: dict[str, Any], error: type[Exception]) -> None:
    kind, (description, headers) = KINDS[error], _ERRORS[error]
    responses = operation["responses"]
    if str(kind.status) in responses:
        response = responses[str(kind.status)]
        response["description"] += f"; or: {description[0].lower()}{description[1:]}"
    else:
        request_id = next(iter(responses.values()))["headers"]["X-Request-Id"]
        media = {"schema": {"$ref": "#/components/schemas/Problem"}, "examples": {}}
        response = {
            "description": description,
            "headers": {"X-Request-Id": request_id, **headers},
            "content": {MEDIA_TYPE: media},
        }
        operation["responses"] = dict(sorted({**responses, str(kind.status): response}.items()))
    response["content"][MEDIA_TYPE]["examples"][kind.slug] = example(error)

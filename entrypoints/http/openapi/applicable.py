"""Keeps, of the problems of each operation in the OpenAPI document, those that it can return by what it takes."""

from collections.abc import Callable, Collection, Mapping
from typing import Any, Final

from entrypoints.http.openapi.access import BEARER
from entrypoints.http.openapi.routes import WORDS
from entrypoints.http.requests.parameters import IDEMPOTENCY_KEY, IF_MATCH
from entrypoints.http.security.tickets import PARAMETER as TICKET

PAGE_TOKEN: Final = "page_token"
_Rule = Callable[[str, Mapping[str, Any]], bool]
"""From the method and the description of an operation."""


def _takes(name: str) -> _Rule:
    return lambda _, operation: any(parameter["name"] == name for parameter in operation.get("parameters", ()))


def _has_body(_: str, operation: Mapping[str, Any]) -> bool:
    return "requestBody" in operation


def _has_json_body(_: str, operation: Mapping[str, Any]) -> bool:
    return "application/json" in operation.get("requestBody", {}).get("content", ())


def _has_path_parameter(_: str, operation: Mapping[str, Any]) -> bool:
    return any(parameter["in"] == "path" for parameter in operation.get("parameters", ()))


def _needs_credentials(_: str, operation: Mapping[str, Any]) -> bool:
    return any(BEARER in scheme for scheme in operation.get("security", ()))


def _changes_operations(method: str, operation: Mapping[str, Any]) -> bool:
    return method != "get" and (_has_body(method, operation) or _has_path_parameter(method, operation))


_RULES: Final[Mapping[str, _Rule]] = {
    "malformed-body": _has_json_body,
    "body-too-large": _has_body,
    "unsupported-media-type": _has_json_body,
    "invalid-field": _has_json_body,
    "invalid-page-token": _takes(PAGE_TOKEN),
    "invalid-ticket": _takes(TICKET),
    "idempotency-key-reused": _takes(IDEMPOTENCY_KEY.name),
    "version-mismatch": _takes(IF_MATCH.name),
    "not-found": _has_path_parameter,
    "operation-not-found": _takes("operation_id"),
    "identity-provider-unavailable": _needs_credentials,
    "busy": _changes_operations,
}
"""Which operations return a problem, by its slug. All operations return the others that they document."""


_NARROWER: Final[Mapping[str, tuple[str, str]]] = {
    "malformed-body": (WORDS[400], "A query parameter or a header is unknown or invalid"),
    "busy": (WORDS[503], "The database is unavailable"),
}
"""By the slug of a problem that is left out: the description that mentions it, and the one without."""


def with_applicable_problems(schema: dict[str, Any]) -> dict[str, Any]:
    """The document without problems that an operation cannot return."""
    for item in schema["paths"].values():
        for method, operation in item.items():
            left_out = {slug for slug, applies in _RULES.items() if not applies(method, operation)}
            for response in operation["responses"].values():
                _leave_out(response, left_out)
    return schema


def _leave_out(response: dict[str, Any], slugs: Collection[str]) -> None:
    for media in response.get("content", {}).values():
        for slug in media.get("examples", {}).keys() & slugs:
            del media["examples"][slug]
            if slug in _NARROWER and response["description"] == _NARROWER[slug][0]:
                response["description"] = _NARROWER[slug][1]

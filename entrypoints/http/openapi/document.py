"""Builds the OpenAPI document from the routes."""

from collections.abc import Sequence
from typing import Any, Final

import msgspec
from litestar import Litestar, Router
from litestar.openapi import OpenAPIConfig
from litestar.openapi.spec import Components, SecurityScheme
from litestar.routes import BaseRoute
from litestar.types import ControllerRouterHandler

from domain.access.callback_token import TOKEN_HEADER
from entrypoints.http.openapi.access import with_access
from entrypoints.http.openapi.applicable import with_applicable_problems
from entrypoints.http.openapi.events import with_events
from entrypoints.http.openapi.examples import ANSWERS, REQUESTS
from entrypoints.http.openapi.headers import with_header_parameters
from entrypoints.http.openapi.links import LINKS
from entrypoints.http.openapi.order import SUCCESS, in_order
from entrypoints.http.openapi.requests import with_request_checks
from entrypoints.http.openapi.routes import CALLBACK_SECURITY
from entrypoints.http.openapi.waiting import with_waiter_limits
from entrypoints.http.requests.batch_schemas import BatchBody, BatchItemBody
from entrypoints.http.requests.bulk.schemas import WORKFLOW_ID_RULES, BulkBody, BulkCancelBody, BulkFilterBody
from entrypoints.http.requests.schemas import (
    LABELS,
    AcknowledgeBody,
    AdoptBody,
    CancelBody,
    KeepBody,
    RecordBody,
    RetryBody,
    SubmitBody,
)
from entrypoints.release import release_version

_CLOSED: Final = (
    *(SubmitBody, AdoptBody, RecordBody, CancelBody, RetryBody, BatchBody),
    *(AcknowledgeBody, KeepBody, BulkFilterBody, BulkBody, BulkCancelBody),
)
"""Bodies without further fields."""
_DOCUMENT: Final = "openapi_document"
PUBLIC_URL: Final = "public_url"
"""Key of the application's state: the configured base URL of clients, or None."""


class _Unrouted(Router):
    """Drops the routes that Litestar adds for its document, because they answer 404 in HTML."""

    def register(self, value: ControllerRouterHandler) -> Sequence[BaseRoute]:  # type: ignore[override]
        return []


def openapi_config() -> OpenAPIConfig:
    """Title, version and description of the API."""
    return OpenAPIConfig(
        title="opledger",
        version=release_version(),
        summary="A ledger of long-running operations",
        description=_DESCRIPTION,
        components=Components(security_schemes={CALLBACK_SECURITY: _CALLBACK_TOKEN}),
        openapi_router=_Unrouted(path="/openapi", route_handlers=[]),
        use_handler_docstrings=True,
    )


_CALLBACK_TOKEN = SecurityScheme(
    type="apiKey",
    name=TOKEN_HEADER,
    security_scheme_in="header",
    description="Token of one operation, given to Temporal when its workflow starts",
)


def document(app: Litestar, base: str) -> bytes:
    """The document for a client that reaches the API under this base path. The schema is built once."""
    if _DOCUMENT not in app.state:
        schema = with_header_parameters(app, _with_batch_items(app.openapi_schema.to_schema()))
        schema = with_access(app, _completed(with_events(schema)))
        schema = with_request_checks(with_waiter_limits(schema))
        app.state[_DOCUMENT] = in_order(with_applicable_problems(schema))
    server = {"url": app.state[PUBLIC_URL] or base or "/"}
    return msgspec.json.encode({**app.state[_DOCUMENT], "servers": [server]})


def _completed(schema: dict[str, Any]) -> dict[str, Any]:
    """Adds what Litestar omits: refusal of unknown fields, examples with nulls, links and descriptions."""
    bodies = schema["components"]["schemas"]
    for body in _CLOSED:
        bodies[body.__name__]["additionalProperties"] = False
    for body in (SubmitBody, RecordBody, RetryBody, BatchItemBody):
        bodies[body.__name__]["properties"]["labels"] |= LABELS
    bodies[BulkFilterBody.__name__]["properties"]["label"] |= {**LABELS, "minProperties": 1}
    bodies[BulkFilterBody.__name__]["properties"]["workflow_id"]["oneOf"][0]["items"] |= WORKFLOW_ID_RULES
    for item in schema["paths"].values():
        for operation in item.values():
            name = operation["operationId"]
            _exemplify(operation.get("requestBody"), REQUESTS.get(name))
            for status, link in LINKS.get(name, {}).items():
                operation["responses"][status]["links"] = link
            for status, response in operation["responses"].items():
                if status.startswith("2"):
                    _exemplify(response, ANSWERS.get(f"{name} {status}", ANSWERS.get(name)))
                    response["description"] = SUCCESS.get(name, response["description"])
    return schema


def _with_batch_items(schema: dict[str, Any]) -> dict[str, Any]:
    """Adds the schema of batch items, which Litestar does not see because the handler decodes them."""
    schemas = schema["components"]["schemas"]
    [item], named = msgspec.json.schema_components([BatchItemBody], ref_template="#/components/schemas/{name}")
    schemas["BatchBody"]["properties"]["operations"]["items"] = item
    schema["components"]["schemas"] = dict(sorted((schemas | named).items()))
    return schema


def _exemplify(described: dict[str, Any] | None, example: Any) -> None:
    if described is not None and example is not None:
        for media in described["content"].values():
            media["examples"] = {"example": {"value": example}}


_DESCRIPTION: Final = """\
Submit an operation and follow it until it is done.

- Times are RFC 3339 in UTC.
- Every error is `application/problem+json` (RFC 9457). `errors` lists each invalid part of the request.
- Request bodies are I-JSON (RFC 7493): UTF-8, unique names in each object, numbers within the range of a double.
  At most 64 levels of nesting. U+0000 is refused.
- Unknown fields and unknown query parameters are refused.
- HEAD works wherever GET does.
- Without access control, the server answers requests for localhost and loopback addresses only. Others get 421.
- Each path has one spelling. Others (`//`, a trailing slash, percent-encoded letters, uppercase ids) get 404.
- Headers with a single value must not be repeated. Trailers are ignored.
- A request body must arrive at 1,000 bytes per second or faster, else 408. At most 100 bodies per client may arrive
  at the same time, else 429.
- `traceparent` and `tracestate` of a submission (W3C Trace Context) are passed on to its workflow."""

"""The OpenAPI document: what Litestar derives from the routes, and what it leaves out."""

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
from entrypoints.http.openapi.events import with_events
from entrypoints.http.openapi.examples import ANSWERS, REQUESTS
from entrypoints.http.openapi.headers import with_header_parameters
from entrypoints.http.openapi.links import LINKS
from entrypoints.http.openapi.order import SUCCESS, in_order
from entrypoints.http.openapi.requests import with_request_checks
from entrypoints.http.openapi.routes import CALLBACK_SECURITY
from entrypoints.http.openapi.waiting import with_places
from entrypoints.http.requests.batch_schemas import BatchBody, BatchItemBody
from entrypoints.http.requests.schemas import LABELS, CancelBody, SubmitBody
from entrypoints.release import release_version

_DOCUMENT: Final = "openapi_document"
PUBLIC_URL: Final = "public_url"
"""Key of the application's state: the base URL that clients use, or None."""


class _Unrouted(Router):
    """Takes the routes that Litestar makes for its document, and serves none: they answer 404 in HTML."""

    def register(self, value: ControllerRouterHandler) -> Sequence[BaseRoute]:  # type: ignore[override]
        return []


def openapi_config() -> OpenAPIConfig:
    """What the document says about the API as a whole."""
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
    description="Given to Temporal at the start; of one operation",
)


def document(app: Litestar, base: str) -> bytes:
    """The document, as it is served to a client that sees the API under that path. The schema is made once."""
    if _DOCUMENT not in app.state:
        schema = with_header_parameters(app, _with_batch_items(app.openapi_schema.to_schema()))
        schema = _completed(with_events(schema))
        app.state[_DOCUMENT] = in_order(with_request_checks(with_places(with_access(app, schema))))
    server = {"url": app.state[PUBLIC_URL] or base or "/"}
    return msgspec.json.encode({**app.state[_DOCUMENT], "servers": [server]})


def _completed(schema: dict[str, Any]) -> dict[str, Any]:
    """With what Litestar leaves out: that unknown fields are refused, nulls in examples, and links."""
    bodies = schema["components"]["schemas"]
    for body in (SubmitBody, CancelBody, BatchBody):
        bodies[body.__name__]["additionalProperties"] = False
    for body in (SubmitBody, BatchItemBody):
        bodies[body.__name__]["properties"]["labels"] |= LABELS
    for item in schema["paths"].values():
        for operation in item.values():
            name = operation["operationId"]
            _exemplify(operation.get("requestBody"), REQUESTS.get(name))
            for status, link in LINKS.get(name, {}).items():
                operation["responses"][status]["links"] = link
            for status, response in operation["responses"].items():
                if status.startswith("2"):
                    _exemplify(response, ANSWERS.get(name))
                    response["description"] = SUCCESS.get(name, response["description"])
    return schema


def _with_batch_items(schema: dict[str, Any]) -> dict[str, Any]:
    """Litestar sees that they are read one by one, and no more."""
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
Submit an operation, and read how it stands until it is done.

Times are RFC 3339 in UTC. Every error is `application/problem+json` (RFC 9457); `errors` points to what is wrong.
Bodies are I-JSON (RFC 7493): UTF-8, no name twice in an object, numbers within a double. Nesting goes to 64 levels,
and U+0000 cannot be stored. Unknown fields and query parameters are refused. HEAD answers wherever GET does.
Without access control only what is asked of localhost or a loopback address is answered; anything else is 421.
A path has one spelling: another one (`//`, a slash at the end, percent-encoded letters, capitals in an id) is 404.
Request headers are given once, lists apart, and trailers are ignored. A body arrives at 1,000 bytes a second at least
(408), and at most 100 of a client arrive at the same time (429).
The `traceparent` and `tracestate` of a submission (W3C Trace Context) go along into its workflow."""

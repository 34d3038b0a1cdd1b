"""The request class of the dashboard's routes, and the check that runs before each of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, cast

from litestar import Request

from application.ports.clock import Clock
from application.ports.sign_in import SignInProvider
from domain.access.principal import Principal
from entrypoints.http.openapi.document import PUBLIC_URL
from entrypoints.http.requests.api_request import ApiRequest
from entrypoints.http.requests.query_params import check_query, query_pairs
from entrypoints.http.security.authentication import Access
from entrypoints.http.security.authorization import ACCESS
from entrypoints.http.security.forwarded import base_path
from entrypoints.http.security.origin_check import SAFE_METHODS, check_origin
from entrypoints.ui.live.shared_view import SharedViews
from entrypoints.ui.security.attempts import SignInAttempts
from entrypoints.ui.security.form_tokens import FIELD, FormTokens, form_fields
from entrypoints.ui.security.sessions import Sessions

PARTS: Final = "dashboard"
"""Key of the application's state: the dashboard's Parts."""
ANY_QUERY: Final = "any_query"
"""Option of a route that ignores parameters which it does not know."""
_FIELDS: Final = "opledger_form"


@dataclass(frozen=True, slots=True)
class Temporal:
    """Where the pages link to for the workflows of operations."""

    namespace: str = "default"
    ui_url: str | None = None
    """Base URL of Temporal's web page, if it is known."""


@dataclass(frozen=True, slots=True)
class Parts:
    """Services of the dashboard, in addition to those of the API."""

    clock: Clock
    sessions: Sessions
    form_tokens: FormTokens
    attempts: SignInAttempts
    temporal: Temporal
    new_key: Callable[[], str]
    """Makes an idempotency key that no other request has."""
    views: SharedViews
    sign_in: SignInProvider | None = None
    """Signs people in. None: no identity provider does."""


class UiRequest(ApiRequest):
    """A request of a browser."""

    @property
    def parts(self) -> Parts:
        """The dashboard's parts."""
        parts: Parts = self.app.state[PARTS]
        return parts

    @property
    def access(self) -> Access:
        """The access control of the application."""
        access: Access = self.app.state[ACCESS]
        return access

    @property
    def now(self) -> datetime:
        """The time of the service."""
        return self.parts.clock.now()

    @property
    def principal(self) -> Principal | None:
        """The caller; None on pages that need no credentials."""
        principal: Principal | None = cast(Any, self.scope).get("user")
        return principal

    @property
    def fields(self) -> Mapping[str, str]:
        """The fields of the form that was sent."""
        fields: Mapping[str, str] = cast(Any, self.scope)[_FIELDS]
        return fields

    @property
    def here(self) -> str:
        """Path and query of this page, without the prefix of a proxy. Of an action: the page that has its form."""
        path = self.scope["path"] if self.method in SAFE_METHODS else self.page_of_form
        query = self.scope["query_string"].decode("latin-1")
        return path + (f"?{query}" if query else "")

    @property
    def page_of_form(self) -> str:
        """Path of the page that has the form of this action."""
        _, section, *rest = self.scope["path"].split("/")
        if section == "bulk":
            return "/operations"
        return f"/{section}/{rest[0]}" if section == "operations" and rest else f"/{section}"

    @property
    def parameters(self) -> list[tuple[str, str]]:
        """The parameters of the query, in their order. Raises InvalidParameter."""
        return query_pairs(self)

    @property
    def public_base(self) -> str:
        """The base URL of this service as the browser reaches it."""
        configured: str | None = self.app.state[PUBLIC_URL]
        return configured or f"{self.url.scheme}://{self.url.netloc}{base_path(self.scope)}"

    def link(self, path: str) -> str:
        """The path as the browser has to request it."""
        return base_path(self.scope) + path


async def check_request(request: Request[Any, Any, Any]) -> None:
    """Runs before each handler. Checks the query. Reads the form of a POST, and checks where it comes from: origins
    that may use the API may not use the forms. Raises InvalidParameter, ForeignOrigin, FormRefused, and the errors of
    `form_fields`."""
    if not request.route_handler.opt.get(ANY_QUERY):
        check_query(request)
    if request.method in SAFE_METHODS:
        return
    assert isinstance(request, UiRequest)
    check_origin(request.scope, frozenset())
    fields = await form_fields(request)
    request.parts.form_tokens.check(request.principal, fields.get(FIELD, ""))
    cast(Any, request.scope)[_FIELDS] = fields

"""Builds the ASGI application: its routes, then its services."""

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, Final

from litestar import Litestar, Router
from litestar.datastructures import State
from litestar.types import ASGIApp, ControllerRouterHandler

from entrypoints.http.controllers.adoption import AdoptionController
from entrypoints.http.controllers.batch import BatchController
from entrypoints.http.controllers.bulk import BulkController
from entrypoints.http.controllers.callbacks import CallbackController
from entrypoints.http.controllers.deletion import DeletionController
from entrypoints.http.controllers.events import EventController
from entrypoints.http.controllers.fast_read import FastRead
from entrypoints.http.controllers.find.counting import CountController
from entrypoints.http.controllers.find.listing import ListController
from entrypoints.http.controllers.find.operation_types import OperationTypeController
from entrypoints.http.controllers.find.timing import TimingController
from entrypoints.http.controllers.keeping import KeepingController
from entrypoints.http.controllers.operations import OperationController
from entrypoints.http.controllers.reports import ReportController
from entrypoints.http.controllers.service.docs import DocsController
from entrypoints.http.controllers.service.health import HealthController
from entrypoints.http.controllers.service.metrics import MetricsController
from entrypoints.http.controllers.starts import StartController
from entrypoints.http.controllers.stream_tickets import StreamTicketController
from entrypoints.http.openapi.document import PUBLIC_URL, openapi_config
from entrypoints.http.problems.kinds import MAX_BODY
from entrypoints.http.requests.api_request import ApiRequest, check_request
from entrypoints.http.requests.bulk.confirmation import CONFIRMATIONS, Confirmations
from entrypoints.http.requests.json_body import DECODERS
from entrypoints.http.requests.listing.page_token import PAGE_TOKENS, PageTokens
from entrypoints.http.requests.open_bodies import OPEN_BODIES, OpenBodies
from entrypoints.http.requests.parameters import PREFIX
from entrypoints.http.requests.schemas import SubmitBody
from entrypoints.http.requests.submissions import read_submission
from entrypoints.http.responses.json_response import JsonResponse
from entrypoints.http.responses.pages import ErrorResponses, Pages
from entrypoints.http.security.authentication import Access
from entrypoints.http.security.authorization import ACCESS, authorize, check_declared
from entrypoints.http.security.cors import Cors
from entrypoints.http.security.forwarded import Forwarded
from entrypoints.http.security.request_checks import RequestChecks
from entrypoints.http.server.middleware import RequestMiddleware
from entrypoints.http.services import SERVICES, HttpServices
from entrypoints.settings.proxy import ProxyRules

NO_PROXIES: Final = ProxyRules()


def create_app(
    services: HttpServices,
    *,
    page_token_key: bytes,
    access: Access,
    proxies: ProxyRules = NO_PROXIES,
    origins: frozenset[str] = frozenset(),
    route_handlers: Sequence[ControllerRouterHandler] = (),
    pages: Pages | None = None,
) -> Litestar:
    """The API on the given services. `access` authenticates requests; `origins` are further origins of web pages that
    may use the API; `pages` are those of this service. Raises ValueError for a page token key that is too short, and
    for a route without a scope."""
    app = create_routes(pages, route_handlers)
    add_services(
        app, services, page_token_key=page_token_key, access=access, proxies=proxies, origins=origins, pages=pages
    )
    return app


def create_routes(pages: Pages | None, route_handlers: Sequence[ControllerRouterHandler] = ()) -> Litestar:
    """An application that has its routes, and no services yet. Raises ValueError for a route without a scope."""
    own_pages = [] if pages is None else [pages.router()]
    app = Litestar(
        [_v1(), CallbackController, HealthController, MetricsController, DocsController, *own_pages, *route_handlers],
        debug=False,
        pdb_on_exception=False,
        logging_config=None,
        exception_handlers={Exception: ErrorResponses(pages).of_router},
        guards=[authorize],
        openapi_config=openapi_config(),
        request_class=ApiRequest,
        request_max_body_size=MAX_BODY,
        response_class=JsonResponse,
    )
    check_declared(app)
    return app


def add_services(
    app: Litestar,
    services: HttpServices,
    *,
    page_token_key: bytes,
    access: Access,
    proxies: ProxyRules,
    origins: frozenset[str],
    pages: Pages | None,
) -> None:
    """Gives the application what it serves with.

    From the outside: `Forwarded`, `RequestMiddleware`, `Cors`, `RequestChecks`, `FastRead`, then the router.
    """
    app.state = State(
        {
            ACCESS: access,
            OPEN_BODIES: OpenBodies(),
            PAGE_TOKENS: PageTokens(page_token_key),
            CONFIRMATIONS: Confirmations(page_token_key),
            PUBLIC_URL: proxies.public_url,
            DECODERS: _decoders(services),
            SERVICES: services,
            **({} if pages is None else pages.state),
        }
    )
    refuse = ErrorResponses(pages).send
    checked: ASGIApp = RequestChecks(FastRead(app, services.ledger, access), app, origins, refuse)
    with_cors = Cors(checked, origins) if origins else checked
    app.asgi_handler = Forwarded(RequestMiddleware(with_cors, services.answered), proxies)


def _decoders(services: HttpServices) -> Mapping[Any, Callable[..., Any]]:
    return {SubmitBody: partial(read_submission, check=services.ledger.refusal_of)}


def _v1() -> Router:
    handlers = [
        OperationController,
        ListController,
        CountController,
        TimingController,
        OperationTypeController,
        AdoptionController,
        StartController,
        ReportController,
        BatchController,
        BulkController,
        DeletionController,
        KeepingController,
        EventController,
        StreamTicketController,
    ]
    return Router(PREFIX, route_handlers=handlers, before_request=check_request)

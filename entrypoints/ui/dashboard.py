"""Builds the dashboard."""

import secrets
from collections.abc import Callable
from functools import partial

from litestar import Litestar, Router
from litestar.types import HTTPScope, WebSocketScope

from application.ports.clock import Clock
from application.ports.sign_in import SignInProvider
from domain.access.principal import Principal
from entrypoints.http.problems.kinds import kind_of
from entrypoints.http.problems.problems import ForeignOrigin
from entrypoints.http.responses.pages import Pages
from entrypoints.http.security.authentication import Access
from entrypoints.http.security.authorization import CALLER
from entrypoints.ui.bulk.page import BulkController
from entrypoints.ui.bulk.targets import TargetsController
from entrypoints.ui.live.shared_view import SharedViews
from entrypoints.ui.pages.access.openid import OpenIdController
from entrypoints.ui.pages.access.sign_in import SignInController
from entrypoints.ui.pages.actions import ActionController
from entrypoints.ui.pages.errors import error_page
from entrypoints.ui.pages.health import HealthController
from entrypoints.ui.pages.keys import KeysController
from entrypoints.ui.pages.live.streams import LiveController
from entrypoints.ui.pages.now import NowController
from entrypoints.ui.pages.operation import OperationController
from entrypoints.ui.pages.operations import OperationsController
from entrypoints.ui.pages.static import StaticController
from entrypoints.ui.pages.theme import ThemeController
from entrypoints.ui.pages.types import TypesController
from entrypoints.ui.rendering.parts import parts_of_view
from entrypoints.ui.rendering.static_files import static_files
from entrypoints.ui.request import PARTS, Parts, Temporal, UiRequest, check_request
from entrypoints.ui.security.attempts import SignInAttempts
from entrypoints.ui.security.audit import Audit, write_refusal
from entrypoints.ui.security.form_tokens import FormTokens
from entrypoints.ui.security.sessions import Sessions
from entrypoints.ui.start.page import StartController


def dashboard(
    *,
    key: bytes,
    clock: Clock,
    temporal: Temporal,
    sign_in: SignInProvider | None = None,
    new_key: Callable[[], str] = secrets.token_urlsafe,
) -> Pages:
    """The pages, for an application made by `create_app`. `key` signs sessions and forms: all processes of one service
    share it. `sign_in` signs people in. `new_key` makes the idempotency keys of forms. Raises ValueError for a key that
    is too short."""
    sessions = Sessions(key, clock, None if sign_in is None else sign_in.issuer)
    attempts, views = SignInAttempts(key, clock), SharedViews(parts_of_view)
    parts = Parts(clock, sessions, FormTokens(key), attempts, temporal, new_key, views, sign_in)
    return Pages(_router, error_page, partial(_note_refusal, sessions), {PARTS: parts})


def _note_refusal(sessions: Sessions, scope: HTTPScope, error: Exception) -> None:
    if isinstance(error, ForeignOrigin):
        write_refusal(scope, sessions.claimed(scope), kind_of(error))


async def _find_caller(scope: HTTPScope | WebSocketScope, access: Access, counted: bool) -> Principal:
    parts: Parts = Litestar.from_scope(scope).state[PARTS]
    return await parts.sessions.principal(scope, access, counted=counted)


def _router() -> Router:
    static_files()  # reads and compresses them before the first request
    return Router(
        "/",
        route_handlers=[
            NowController,
            OperationsController,
            OperationController,
            ActionController,
            LiveController,
            StartController,
            BulkController,
            TargetsController,
            TypesController,
            HealthController,
            KeysController,
            SignInController,
            OpenIdController,
            ThemeController,
            StaticController,
        ],
        opt={CALLER: _find_caller},
        request_class=UiRequest,
        middleware=[Audit],
        before_request=check_request,
        exception_handlers={Exception: error_page},
        include_in_schema=False,
    )

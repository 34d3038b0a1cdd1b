"""Page: the API keys of the caller's tenant."""

from datetime import timedelta
from typing import Any, Final

from litestar import Controller, Response, get, post
from litestar.exceptions import NotFoundException
from litestar.params import FromPath
from litestar.response import Stream

from application.access.api_key_admin import ManageKeys
from application.ports.storage.unit_of_work import DatabaseRefused
from domain.access.api_key import NewApiKey
from domain.access.scope import Scope
from domain.errors import InvalidInput
from entrypoints.http.responses.sse import MEDIA_TYPE
from entrypoints.ui.pages.live.responses import page_of, stream_of
from entrypoints.ui.rendering.page import redirect
from entrypoints.ui.request import UiRequest
from entrypoints.ui.security.audit import set_detail
from entrypoints.ui.views.keys import KeysView

LIVES: Final = {"30": "30 days", "90": "90 days", "365": "1 year", "": "Does not expire"}
"""Lifetimes by the number of days that the form sends."""
_SCOPE: Final = "scope-"


class KeysController(Controller):
    """Lists, creates and revokes keys of the caller's tenant. Keys of other tenants do not exist here."""

    opt = {"scope": Scope.ADMIN}  # noqa: RUF012

    @get("/keys")
    async def keys(self, request: UiRequest) -> Response[str]:
        """Shows no secrets: no key can be derived from the page."""
        return await _page(request)

    @get("/live/keys", media_type=MEDIA_TYPE)
    async def stream(self, request: UiRequest) -> Stream:
        """The list, as it changes."""
        return await stream_of(request, _view(request))

    @post("/keys", status_code=200)
    async def create(self, request: UiRequest) -> Response[str]:
        """Shows the new key on this page alone: it is not stored, and is in no URL."""
        manage = _manage(request)
        fields = request.fields
        scopes = frozenset(scope for scope in Scope if f"{_SCOPE}{scope}" in fields)
        days = fields.get("life", "")
        try:
            if days not in LIVES:
                raise InvalidInput("life: choose one of the list")
            life = timedelta(days=int(days)) if days else None
            name = fields.get("name", "").strip()
            made = await manage.create(name, tenant=request.user.tenant, scopes=scopes, life=life)
        except InvalidInput as error:
            return await _page(request, status=422, error=str(error))
        except DatabaseRefused:
            return await _page(request, status=409, refused=True)
        set_detail(request.scope, f"created the API key {made.stored.prefix}")
        return await _page(request, made=made)

    @post("/keys/{prefix:str}/revoke", status_code=303)
    async def revoke(self, request: UiRequest, prefix: FromPath[str]) -> Response[Any]:
        """Revokes the key: every API process refuses it within seconds."""
        manage = _manage(request)
        if prefix not in {key.prefix for key in await manage.list(request.user.tenant)}:
            raise NotFoundException
        try:
            await manage.revoke(prefix)
        except DatabaseRefused:
            return await _page(request, status=409, refused=True)
        set_detail(request.scope, f"revoked the API key {prefix}")
        return redirect(request, "/keys")


def _manage(request: UiRequest) -> ManageKeys:
    manage = request.services.keys
    if manage is None:
        raise NotFoundException
    return manage


async def _page(
    request: UiRequest,
    *,
    status: int = 200,
    made: NewApiKey | None = None,
    error: str | None = None,
    refused: bool = False,
) -> Response[str]:
    """The list with the form. `refused`: the service's database role may not change keys."""
    accepted = request.services.keys is not None
    return await page_of(
        request,
        _view(request),
        "pages/keys.html",
        live="/live/keys" if accepted else None,
        status=status,
        # The key is made, and shown nowhere else.
        instead=None if made is None else {"tenant": request.user.tenant, "keys": [made.stored], "own": None},
        accepted=accepted,
        made=made,
        error=error,
        refused=refused,
        fields=request.fields if request.method == "POST" else {},
        lives=LIVES,
        scopes=[(scope, f"{_SCOPE}{scope}", _MEANING[scope]) for scope in Scope],
    )


def _view(request: UiRequest) -> KeysView:
    return KeysView(request.user.tenant, request.link(""), request.user.credential)


_MEANING: Final = {
    Scope.READ: "Read, list and count operations",
    Scope.SUBMIT: "Submit and retry operations",
    Scope.CANCEL: "Cancel operations, and acknowledge problems",
    Scope.REPORT: "Report about workflows; for the plugin",
    Scope.ADMIN: "Everything, deletion and keys included",
}

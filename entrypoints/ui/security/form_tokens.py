"""Forms: fields of a POST, and the token that proves that the form is of a page of this dashboard.

Browsers send the session with forged requests of the same site too, and credentials that a proxy adds with all
requests. A page of another origin cannot read the token.
"""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl

from litestar import Request

from domain.access.principal import Principal
from domain.errors import OpledgerError
from entrypoints.http.problems.problems import MalformedBody, UnsupportedMediaType
from entrypoints.http.requests.headers import media_type
from entrypoints.http.requests.json_body import in_thread_if_large, read_body
from entrypoints.http.requests.signed import InvalidToken, Signer

FIELD: Final = "form_token"
_MAX_FIELDS: Final = 100
_TYPE: Final = "application/x-www-form-urlencoded"


class FormRefused(OpledgerError):
    """The form does not belong to this session. Load the page again."""


class FormTokens:
    """Issues and checks the tokens of forms, which are bound to the caller."""

    def __init__(self, key: bytes) -> None:
        """Raises ValueError for a key that is too short."""
        self._signer = Signer(key, "form 1")

    def issue(self, caller: Principal | None) -> str:
        """The token of all forms of the caller. None: of a page without credentials."""
        return self._signer.issue(_digest(caller), b"")

    def check(self, caller: Principal | None, token: str) -> None:
        """Raises FormRefused."""
        try:
            self._signer.read(_digest(caller), token)
        except InvalidToken:
            raise FormRefused from None


async def form_fields(request: Request[Any, Any, Any]) -> Mapping[str, str]:
    """The fields of a form; of a repeated one the last. Raises UnsupportedMediaType, MalformedBody."""
    kind, _ = media_type(request.headers.get("content-type", "")) or ("", [])
    if kind != _TYPE:
        raise UnsupportedMediaType(f"send the form as {_TYPE}")
    body = await read_body(request, lambda: MalformedBody("the connection closed before the end of the form"))
    try:
        return await in_thread_if_large(lambda: _parsed(body), size=len(body))
    except ValueError:
        raise MalformedBody("the form cannot be read") from None


def _parsed(body: bytes) -> Mapping[str, str]:
    """Raises ValueError."""
    text = body.decode("ascii")
    return dict(parse_qsl(text, keep_blank_values=True, errors="strict", max_num_fields=_MAX_FIELDS))


def _digest(caller: Principal | None) -> bytes:
    identity = None if caller is None else [caller.tenant, caller.credential]
    return hashlib.sha256(json.dumps(identity).encode()).digest()

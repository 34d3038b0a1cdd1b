"""Sessions of browsers: a signed cookie that names the API key or the person that signed in.

The cookie holds neither key nor token. Every request reads the key again, so a session ends when its key is revoked or
expires; the session of a person ends with the token that the identity provider gave. Sessions are not stored: to sign
out deletes the cookie.
"""

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
from litestar.datastructures import Cookie
from litestar.types import HTTPScope, WebSocketScope

from application.ports.clock import Clock
from domain.access.credentials import InvalidCredentials, MissingCredentials
from domain.access.principal import Principal
from domain.access.scope import Scope
from entrypoints.http.requests.headers import header_values
from entrypoints.http.requests.signed import InvalidToken, Signer
from entrypoints.http.security.authentication import Access
from entrypoints.ui.security.cookies import cookie_values, private_cookie

COOKIE: Final = "opledger_session"
LIFETIME: Final = timedelta(hours=12)
MAX_COOKIE: Final = 4000
"""Characters. Browsers drop cookies of more than 4096, name and attributes included."""
_TOO_LONG: Final = "the names of tenant and person are too long for a session"


class _Session(msgspec.Struct, frozen=True, array_like=True):
    """What the cookie says. The times are seconds since 1970."""

    ends: int
    by_credential: bool
    """Whether it ends with its credential, and not after LIFETIME."""
    tenant: str
    actor: str | None
    scopes: list[Scope]
    credential: str
    issuer: str
    """The identity provider; empty: none, the credential is an API key."""


class Sessions:
    """Starts sessions, and finds the caller of a request by its session. All processes of one service share the key."""

    def __init__(self, key: bytes, clock: Clock, issuer: str | None = None) -> None:
        """`issuer`: the identity provider that signs people in; sessions of another one end. Raises ValueError for a
        key that is too short."""
        self._signer = Signer(key, "session 1")
        self._clock = clock
        self._issuer = issuer

    def start(self, scope: HTTPScope, principal: Principal, issuer: str = "") -> Cookie:
        """The cookie of a new session. `issuer`: the identity provider, if the credential is a token. Raises
        InvalidCredentials: the names do not fit into a cookie."""
        now = self._clock.now()
        ends, expiry = now + LIFETIME, principal.expires_at
        by_credential = expiry is not None and expiry < ends
        ends = expiry if expiry is not None and by_credential else ends
        scopes = sorted(principal.scopes)
        credential = str(principal.credential)
        session = _Session(
            int(ends.timestamp()), by_credential, principal.tenant, principal.actor, scopes, credential, issuer
        )
        text = self._signer.issue(b"", msgspec.json.encode(session))
        if len(text) > MAX_COOKIE:
            raise InvalidCredentials(_TOO_LONG)
        max_age = max(int((ends - now).total_seconds()), 0)
        return private_cookie(scope, COOKIE, text, max_age=max_age, same_site="strict")

    @staticmethod
    def end(scope: HTTPScope) -> Cookie:
        """The cookie that deletes the session's."""
        return private_cookie(scope, COOKIE, "", max_age=0, same_site="strict")

    async def principal(self, scope: HTTPScope | WebSocketScope, access: Access, *, counted: bool = True) -> Principal:
        """The owner of the session, or else of the header Authorization, which a proxy may send. `counted`: towards the
        rate limit. Raises MissingCredentials, InvalidCredentials, RateLimited, DatabaseUnavailable,
        IdentityProviderUnavailable."""
        given = cookie_values(scope, COOKIE)
        authorization = header_values(scope, b"authorization")
        if access.controlled and given:
            try:
                return await access.owner(self._started_by(given), counted=counted)
            except InvalidCredentials:
                if not authorization:
                    raise
        if access.controlled and not authorization:
            raise MissingCredentials("sign in to see this page")
        return await (access.principal(authorization) if counted else access.still(authorization))

    def claimed(self, scope: HTTPScope) -> Principal | None:
        """The principal of the session, for the audit log: its credential may be revoked. None: no valid session."""
        try:
            return self._started_by(cookie_values(scope, COOKIE))
        except InvalidCredentials:
            return None

    def _started_by(self, given: Sequence[str]) -> Principal:
        """The principal of the session; of several cookies, of the first that this service has signed."""
        for text in given:
            try:
                session = msgspec.json.decode(self._signer.read(b"", text), type=_Session)
            except (InvalidToken, msgspec.DecodeError):
                continue
            return self._principal_of(session)
        raise InvalidCredentials("the session is not valid any more: sign in again")

    def _principal_of(self, session: _Session) -> Principal:
        if session.issuer and session.issuer != self._issuer:
            raise InvalidCredentials("the session is of another identity provider: sign in again")
        ends = datetime.fromtimestamp(session.ends, UTC)
        if self._clock.now() >= ends:
            after = "with its token" if session.by_credential else f"after {LIFETIME.total_seconds() / 3600:.0f} h"
            raise InvalidCredentials(f"the session ended {after}: sign in again")
        return Principal(session.tenant, session.actor, frozenset(session.scopes), session.credential, ends)

"""Attempts to sign in at the identity provider, each bound to the browser that started it.

A signed cookie holds the state and the page to return to. Nonce and PKCE verifier are derived from the state with keys
that only this service has, so the browser never sees them, and any process of the service can finish an attempt. The
cookie is SameSite=Lax, because the provider's page sends the browser back.
"""

import base64
import hmac
import struct
from datetime import UTC, datetime, timedelta
from typing import Final

from litestar.datastructures import Cookie
from litestar.types import HTTPScope

from application.ports.clock import Clock
from application.ports.sign_in import SignInAttempt, SignInRefused
from entrypoints.http.requests.signed import InvalidToken, Signer
from entrypoints.ui.security.cookies import cookie_values, private_cookie

COOKIE: Final = "opledger_sign_in"
LIFETIME: Final = timedelta(minutes=10)
_STATE_BYTES: Final = 32
_MAX_NEXT: Final = 2000
_HEAD: Final = struct.Struct(f">q{_STATE_BYTES}s")
_AGAIN: Final = "sign in again"


class SignInAttempts:
    """Starts attempts, and finds the attempt of a response. All processes of one service share the key."""

    def __init__(self, key: bytes, clock: Clock) -> None:
        """Raises ValueError for a key that is too short."""
        self._signer = Signer(key, "sign-in 1")
        self._nonce_key = hmac.digest(key, b"opledger sign-in nonce 1", "sha256")
        self._verifier_key = hmac.digest(key, b"opledger sign-in verifier 1", "sha256")
        self._clock = clock

    def start(self, scope: HTTPScope, state: bytes, redirect_uri: str, then: str) -> tuple[SignInAttempt, Cookie]:
        """The attempt, and the cookie that remembers it. `state`: 32 random bytes. `then`: the page to return to."""
        started = int(self._clock.now().timestamp())
        content = _HEAD.pack(started, state) + (then if len(then) <= _MAX_NEXT else "/").encode()
        text = self._signer.issue(b"", content)
        max_age = int(LIFETIME.total_seconds())
        cookie = private_cookie(scope, COOKIE, text, max_age=max_age, same_site="lax")
        return self._attempt(state, redirect_uri), cookie

    def find(self, scope: HTTPScope, state: str | None, redirect_uri: str) -> tuple[SignInAttempt, str]:
        """The attempt with this state, if this browser started it, and the page to return to. Raises SignInRefused."""
        for text in cookie_values(scope, COOKIE):
            try:
                content = self._signer.read(b"", text)
            except InvalidToken:
                continue
            started, stored = _HEAD.unpack_from(content)
            attempt = self._attempt(stored, redirect_uri)
            if state is None or not hmac.compare_digest(state.encode(), attempt.state.encode()):
                raise SignInRefused(f"a newer sign-in was started in this browser: {_AGAIN}")
            if self._clock.now() >= datetime.fromtimestamp(started, UTC) + LIFETIME:
                raise SignInRefused(f"the sign-in took more than {LIFETIME.total_seconds() / 60:.0f} minutes: {_AGAIN}")
            return attempt, content[_HEAD.size :].decode()
        raise SignInRefused(f"this browser has not started this sign-in, or has ended it: {_AGAIN}")

    @staticmethod
    def end(scope: HTTPScope) -> Cookie:
        """The cookie that deletes the attempt's."""
        return private_cookie(scope, COOKIE, "", max_age=0, same_site="lax")

    def _attempt(self, state: bytes, redirect_uri: str) -> SignInAttempt:
        nonce, verifier = (_text(hmac.digest(key, state, "sha256")) for key in (self._nonce_key, self._verifier_key))
        return SignInAttempt(redirect_uri, _text(state), nonce, verifier)


def _text(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode("ascii")

"""Sends a call until it is answered or the time is over. Without input and output: a generator that yields what to do
next and is sent the result, so that both clients share it."""

import random
from collections.abc import Callable, Generator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, TypeVar

from opledger._client.calls import Answer, Call
from opledger._problems import read_problem
from opledger._unavailable import UNAVAILABLE, retry_after
from opledger.errors import ApiKeyRefused, LedgerUnavailable

_T = TypeVar("_T")
FIRST_PAUSE: Final = 0.1
"""Seconds before the first repeat; they double each time, and half of them is random."""
MAX_PAUSE: Final = 5.0
CONNECT_TIMEOUT: Final = 5.0
"""Seconds of one attempt to connect."""
ATTEMPT_TIMEOUT: Final = 10.0
"""Timeout in seconds of the first attempt, until a byte of the response arrives. It doubles after each such timeout,
for requests that take long. Where the next attempt could not be longer, there is none: the attempt has all the time."""
_FORBIDDEN: Final = 403
_MISSING: Final = 404
_CONFLICT: Final = 409
_TOO_MANY: Final = 429
_FIRST_ERROR: Final = 300


@dataclass(frozen=True)
class Send:
    """Send the request. The result is an Answer, or the ConnectionFailed of an attempt without one."""

    call: Call[Any]
    within: float
    """Seconds that remain for this and all further attempts."""
    silence: float
    """Timeout in seconds until a byte of the response arrives."""


@dataclass(frozen=True)
class Pause:
    """Wait for `seconds`. The result is None."""

    seconds: float


@dataclass(frozen=True)
class ConnectionFailed:
    """An attempt without an answer."""

    reason: str
    is_silent: bool = False
    """Whether no byte of the response arrived in time."""


Exchange: TypeAlias = Generator[Send | Pause, Answer | ConnectionFailed | None, _T]


class Backoff:
    """Pauses between attempts, until the time is over."""

    def __init__(self, url: str, within: float, now: Callable[[], float]) -> None:
        """`url` is for messages. `within`: seconds. `now`: a monotonic clock in seconds."""
        self._url = url
        self._now = now
        self._deadline = now() + within
        self._pause = FIRST_PAUSE

    @property
    def remaining(self) -> float:
        """Seconds until the time is over."""
        return self._deadline - self._now()

    def next(self, problem: str, at_least: float = 0.0) -> float:
        """Seconds to wait before the next attempt. Raises LedgerUnavailable if the time would be over then."""
        pause = max(at_least, self._pause * random.uniform(0.5, 1.0))  # noqa: S311 -- no secret
        self._pause = min(2 * self._pause, MAX_PAUSE)
        if pause >= self.remaining:
            raise LedgerUnavailable(f"{self._url} is not available ({problem})")
        return pause


def exchange(call: Call[_T], backoff: Backoff) -> Exchange[_T]:
    """Returns the answer of the call.

    Raises:
        LedgerRefused: the ledger refused the request.
        LedgerUnavailable: no usable answer within the time.
    """
    is_repeat, patience = False, ATTEMPT_TIMEOUT
    before = yield from _read_before(call, backoff)
    while True:
        if is_repeat and call.guard is not None and before is not None:
            now = yield from exchange(call.guard.read, backoff)
            if not call.guard.is_same(before, now):
                return now
        within = max(backoff.remaining, 0.001)
        silence = call.hold + patience if within - call.hold > 2 * patience else within
        answer = yield Send(call, within, silence)
        at_least = 0.0
        if isinstance(answer, ConnectionFailed):
            problem = answer.reason
            patience *= 2 if answer.is_silent else 1
        else:
            assert answer is not None
            if answer.status < _FIRST_ERROR:
                return _read(call, answer)
            if is_repeat and answer.status == _MISSING and call.is_done_if_missing:
                return call.read(answer)
            refusal = read_problem(answer.status, answer.body)
            if is_repeat and answer.status == _CONFLICT and call.effect is not None:
                found = yield from exchange(call.effect.read, backoff)
                if call.effect.is_there(found):
                    return found
            if answer.status not in UNAVAILABLE:
                raise refusal
            problem = str(refusal)
            at_least = retry_after(answer.headers)
        # After 429 the request was refused before it did anything.
        is_repeat = is_repeat or isinstance(answer, ConnectionFailed) or answer.status != _TOO_MANY
        call = call.repeat or call
        yield Pause(backoff.next(problem, at_least))


def _read_before(call: Call[_T], backoff: Backoff) -> Exchange[_T | None]:
    """What the call acts on. None without a guard, and for a key that may not read."""
    if call.guard is None:
        return None
    try:
        return (yield from exchange(call.guard.read, backoff))
    except ApiKeyRefused as refused:
        if refused.status != _FORBIDDEN:
            raise
        return None


def _read(call: Call[_T], answer: Answer) -> _T:
    try:
        return call.read(answer)
    except ValueError as error:
        raise LedgerUnavailable(f"{call.path}: the answer is not one of an opledger ({error})") from None

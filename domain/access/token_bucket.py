"""Token bucket: limits the request rate of one client."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.errors import OpledgerError


class RateLimited(OpledgerError):
    """Too many requests."""

    def __init__(self, wait: timedelta) -> None:
        super().__init__(f"too many requests with this credential; retry in {wait.total_seconds():.3g} s")
        self.wait = wait


@dataclass(frozen=True, slots=True)
class Allowance:
    """Sustained `rate` in requests per second, and `burst` in requests at once. Both are at least 1."""

    rate: int
    burst: int


@dataclass(frozen=True, slots=True)
class TokenBucket:
    """Number of tokens at a time. A request takes one; tokens come back at `rate`, up to `burst`."""

    tokens: float
    at: datetime

    @classmethod
    def full(cls, allowance: Allowance, now: datetime) -> "TokenBucket":
        """The bucket of a new client: `burst` tokens."""
        return cls(allowance.burst, now)

    def fill(self, allowance: Allowance, now: datetime) -> "TokenBucket":
        """The bucket at `now`. A clock that was set back adds no tokens."""
        gained = max(0.0, (now - self.at).total_seconds()) * allowance.rate
        return TokenBucket(min(allowance.burst, self.tokens + gained), now)

    def take(self, allowance: Allowance) -> "TokenBucket":
        """Takes one token. Raises RateLimited with the time until the next token, at least one microsecond."""
        if self.tokens < 1:
            raise RateLimited(max(timedelta.resolution, timedelta(seconds=(1 - self.tokens) / allowance.rate)))
        return TokenBucket(self.tokens - 1, self.at)

"""How many requests a client may make: a bucket of tokens that fills at a rate, up to a burst."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from domain.errors import OpledgerError


class RateLimited(OpledgerError):
    """Too many requests."""

    def __init__(self, wait: timedelta) -> None:
        super().__init__(f"too many requests with this credential; take a pause of {wait.total_seconds():.3g} s")
        self.wait = wait


@dataclass(frozen=True, slots=True)
class Allowance:
    """`rate` requests a second for long, `burst` at once. Both are at least 1."""

    rate: int
    burst: int


@dataclass(frozen=True, slots=True)
class TokenBucket:
    """So many tokens at that time."""

    tokens: float
    at: datetime

    @classmethod
    def full(cls, allowance: Allowance, now: datetime) -> "TokenBucket":
        """What a client begins with."""
        return cls(allowance.burst, now)

    def fill(self, allowance: Allowance, now: datetime) -> "TokenBucket":
        """As it is at `now`. A clock that went back adds nothing."""
        gained = max(0.0, (now - self.at).total_seconds()) * allowance.rate
        return TokenBucket(min(allowance.burst, self.tokens + gained), now)

    def take(self, allowance: Allowance) -> "TokenBucket":
        """One token less. Raises RateLimited, with the time until there is one, at least a microsecond."""
        if self.tokens < 1:
            raise RateLimited(max(timedelta.resolution, timedelta(seconds=(1 - self.tokens) / allowance.rate)))
        return TokenBucket(self.tokens - 1, self.at)

"""Hold every client to its allowance."""

from application.ports.clock import Clock
from domain.access.token_bucket import Allowance, TokenBucket

PRUNE_SIZE = 10_000
"""Clients that are remembered before those whose bucket is full again, who are like new, are forgotten."""


class RateLimit:
    """Counts in this process's memory: of N processes behind a balancer, each gives the whole allowance."""

    def __init__(self, clock: Clock, allowance: Allowance) -> None:
        self._clock = clock
        self._allowance = allowance
        self._buckets: dict[str, TokenBucket] = {}
        self._prune_at = PRUNE_SIZE

    def take(self, client: str) -> None:
        """One request. Raises RateLimited."""
        now = self._clock.now()
        bucket = self._buckets.get(client) or TokenBucket.full(self._allowance, now)
        self._buckets[client] = bucket.fill(self._allowance, now)
        self._buckets[client] = self._buckets[client].take(self._allowance)
        if len(self._buckets) > self._prune_at:
            self._prune()

    def _prune(self) -> None:
        """Rarely enough to cost nothing: the mark moves up with what could not be forgotten."""
        now, allowance = self._clock.now(), self._allowance
        self._buckets = {
            client: bucket
            for client, bucket in self._buckets.items()
            if bucket.fill(allowance, now).tokens < allowance.burst
        }
        self._prune_at = max(PRUNE_SIZE, 2 * len(self._buckets))

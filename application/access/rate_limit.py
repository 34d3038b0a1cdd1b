"""Limits the request rate of each client."""

from application.ports.clock import Clock
from domain.access.token_bucket import Allowance, TokenBucket

PRUNE_SIZE = 10_000
"""Clients in memory above which those with a full bucket, who are like new ones, are forgotten."""


class RateLimit:
    """Counts in the memory of this process: each of N processes behind a load balancer gives the whole allowance."""

    def __init__(self, clock: Clock, allowance: Allowance) -> None:
        self._clock = clock
        self._allowance = allowance
        self._buckets: dict[str, TokenBucket] = {}
        self._prune_at = PRUNE_SIZE

    def take(self, client: str) -> None:
        """Takes one request from the client's allowance. Raises RateLimited."""
        now = self._clock.now()
        bucket = self._buckets.get(client) or TokenBucket.full(self._allowance, now)
        self._buckets[client] = bucket.fill(self._allowance, now)
        self._buckets[client] = self._buckets[client].take(self._allowance)
        if len(self._buckets) > self._prune_at:
            self._prune()

    def _prune(self) -> None:
        """Runs rarely: the threshold grows with the clients that cannot be forgotten."""
        now, allowance = self._clock.now(), self._allowance
        self._buckets = {
            client: bucket
            for client, bucket in self._buckets.items()
            if bucket.fill(allowance, now).tokens < allowance.burst
        }
        self._prune_at = max(PRUNE_SIZE, 2 * len(self._buckets))

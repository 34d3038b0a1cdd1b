"""The rate limit: what a token bucket allows, and for which client."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from adapters.memory.clock import MemoryClock
from application.access import rate_limit
from application.access.rate_limit import RateLimit
from domain.access.token_bucket import Allowance, RateLimited, TokenBucket
from tests.support.operations import at

gaps = st.lists(st.floats(min_value=-1, max_value=5), max_size=60)


@given(st.integers(1, 20), st.integers(1, 20), gaps)
def test_no_interval_has_more_than_the_allowance(rate: int, burst: int, gaps: list[float]) -> None:
    """Whatever the times of the requests: at most the burst, and what the rate adds in the interval. A refused
    request passes after the time in its refusal."""
    allowance, now = Allowance(rate, burst), at(0)
    bucket, taken = TokenBucket.full(allowance, now), 0
    for gap in gaps:
        now += timedelta(seconds=gap)
        bucket = bucket.fill(allowance, now)
        if bucket.tokens >= 1:
            bucket = bucket.take(allowance)
            taken += 1
            continue
        with pytest.raises(RateLimited) as limited:
            bucket.take(allowance)
        assert timedelta() < limited.value.wait <= timedelta(seconds=1 / rate + 0.001)
        bucket.fill(allowance, now + limited.value.wait + timedelta(microseconds=2)).take(allowance)
    assert taken <= burst + rate * sum(max(0.0, gap) for gap in gaps) + 0.001


def test_refusal_names_a_time_above_zero() -> None:
    """Also if less than a microsecond is missing."""
    with pytest.raises(RateLimited) as limited:
        TokenBucket(1 - 1e-9, at(0)).take(Allowance(rate=20, burst=1))
    assert limited.value.wait == timedelta(microseconds=1)


def test_each_client_has_its_own_allowance() -> None:
    """A client beyond its allowance does not affect others, and is served again after a while."""
    clock = MemoryClock()
    limit = RateLimit(clock, Allowance(rate=2, burst=3))
    for _ in range(3):
        limit.take("a")
    with pytest.raises(RateLimited, match=r"retry in 0\.5 s") as caught:
        limit.take("a")
    assert caught.value.wait == timedelta(seconds=0.5)
    limit.take("b")
    clock.advance(timedelta(seconds=0.5))
    limit.take("a")
    with pytest.raises(RateLimited):
        limit.take("a")


def test_clients_with_a_full_bucket_are_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """Memory does not grow with every client. A client that is still limited stays limited."""
    monkeypatch.setattr(rate_limit, "PRUNE_SIZE", 10)
    clock = MemoryClock()
    limit = RateLimit(clock, Allowance(rate=1, burst=1))
    for number in range(10):
        limit.take(f"early {number}")
    clock.advance(timedelta(seconds=1))
    limit.take("late")
    assert set(limit._buckets) == {"late"}
    with pytest.raises(RateLimited):
        limit.take("late")

"""WaiterLimit: limits waiters in total and per client."""

from contextlib import ExitStack

import pytest

from application.watch.waiter_limit import ClientWaiterLimitReached, WaiterLimit, WaiterLimitReached


def test_each_client_has_its_own_limit() -> None:
    """A client at its limit does not affect others, and may wait again when one of its waits ends."""
    limit = WaiterLimit(9, each=2)
    with limit.acquire("a"):
        with limit.acquire("a"):
            with pytest.raises(ClientWaiterLimitReached), limit.acquire("a"):
                pass
            with limit.acquire("b"):
                pass
        with limit.acquire("a"):
            pass
    assert limit.empty


def test_the_total_is_limited() -> None:
    """A client that is also at its own limit gets that error."""
    limit = WaiterLimit(3, each=2)
    with ExitStack() as waits:
        for client in ("a", "a", None):
            waits.enter_context(limit.acquire(client))
        for client in ("b", None):
            with pytest.raises(WaiterLimitReached), limit.acquire(client):
                pass
        with pytest.raises(ClientWaiterLimitReached), limit.acquire("a"):
            pass
    assert limit.empty


def test_unknown_clients_have_only_the_total_limit() -> None:
    """Without access control all clients are unknown."""
    limit = WaiterLimit(5, each=1)
    with ExitStack() as waits:
        for _ in range(5):
            waits.enter_context(limit.acquire(None))
    assert limit.empty


@pytest.mark.parametrize("end", [RuntimeError, KeyboardInterrupt, GeneratorExit])
def test_a_waiter_is_released_whatever_ends_it(end: type[BaseException]) -> None:
    """An error, an interrupt or the end of a generator."""
    limit = WaiterLimit(1, each=1)
    for _ in range(3):
        with pytest.raises(end), limit.acquire("a"):
            raise end
    assert limit.empty

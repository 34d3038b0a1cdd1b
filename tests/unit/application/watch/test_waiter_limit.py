"""The places for those who wait: how many there are, for whom, and that they are given back."""

from contextlib import ExitStack

import pytest

from application.watch.waiter_limit import TooManyWaiting, WaitingRoom, WaitingRoomFull


def test_each_client_has_its_own() -> None:
    """One that has all of its places costs the others none, and gets one again when one of its waits ends."""
    room = WaitingRoom(places=9, each=2)
    with room.place("a"):
        with room.place("a"):
            with pytest.raises(TooManyWaiting), room.place("a"):
                pass
            with room.place("b"):
                pass
        with room.place("a"):
            pass
    assert room.empty


def test_all_together_have_so_many() -> None:
    """Whoever they are; who is over its own limit is told that, whatever the others do."""
    room = WaitingRoom(places=3, each=2)
    with ExitStack() as waits:
        for client in ("a", "a", None):
            waits.enter_context(room.place(client))
        for client in ("b", None):
            with pytest.raises(WaitingRoomFull), room.place(client):
                pass
        with pytest.raises(TooManyWaiting), room.place("a"):
            pass
    assert room.empty


def test_who_is_nobody_has_no_limit_of_its_own() -> None:
    """Without access control, all are."""
    room = WaitingRoom(places=5, each=1)
    with ExitStack() as waits:
        for _ in range(5):
            waits.enter_context(room.place(None))
    assert room.empty


@pytest.mark.parametrize("end", [RuntimeError, KeyboardInterrupt, GeneratorExit])
def test_a_place_is_given_back(end: type[BaseException]) -> None:
    """Whatever ends the wait."""
    room = WaitingRoom(places=1, each=1)
    for _ in range(3):
        with pytest.raises(end), room.place("a"):
            raise end
    assert room.empty

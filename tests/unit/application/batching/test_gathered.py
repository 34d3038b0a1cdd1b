"""Look-ups that are made at the same time, as one."""

import asyncio
from collections.abc import Collection, Mapping
from contextvars import ContextVar

import pytest

from application.batching.gathered import Gathered
from domain.errors import OpledgerError
from tests.support.commits import begun

REQUEST: ContextVar[str] = ContextVar("request", default="nobody's")


class Asked:
    """What is asked, and when it is answered: everything at once, unless `held` says to wait."""

    def __init__(self, **there: int) -> None:
        self.there = there
        self.questions: list[set[str]] = []
        self.contexts: list[str] = []
        self.held: dict[str, asyncio.Event] = {}
        """By key: what a question with it waits for."""
        self.error: Exception | None = None

    async def __call__(self, keys: Collection[str]) -> Mapping[str, int]:
        self.questions.append(set(keys))
        self.contexts.append(REQUEST.get())
        found = {key: self.there[key] for key in keys if key in self.there}
        for key in keys:
            if key in self.held:
                await self.held[key].wait()
        if self.error is not None:
            raise self.error
        return found


async def _settled() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_one_alone() -> None:
    """It is asked for at once."""
    asked = Asked(a=1)
    gathered = Gathered(asked, patience=60.0)
    assert (await gathered.get("a"), await gathered.get("b")) == (1, None)
    assert asked.questions == [{"a"}, {"b"}]


async def test_what_comes_meanwhile_goes_together() -> None:
    """Also what is asked for twice."""
    asked = Asked(a=1, b=2)
    gathered = Gathered(asked, patience=60.0)
    asked.held["a"] = asyncio.Event()
    first = asyncio.ensure_future(gathered.get("a"))
    await _settled()
    others = [asyncio.ensure_future(gathered.get(key)) for key in ("b", "c", "b")]
    asked.held["a"].set()
    assert await asyncio.gather(first, *others) == [1, 2, None, 2]
    assert asked.questions == [{"a"}, {"b", "c"}]


async def test_what_was_read_before_it_was_asked_for_is_not_given() -> None:
    """Whoever has just written reads what he has written."""
    asked = Asked(a=1)
    gathered = Gathered(asked, patience=60.0)
    asked.held["a"] = asyncio.Event()
    before = asyncio.ensure_future(gathered.get("a"))
    await _settled()
    asked.there["a"] = 2
    after = asyncio.ensure_future(gathered.get("a"))
    asked.held["a"].set()
    assert (await before, await after) == (1, 2)


async def test_an_error_is_everybodys_who_is_in_the_question() -> None:
    """And nobody else's."""
    asked = Asked(a=1, b=2)
    gathered = Gathered(asked, patience=60.0)
    asked.error = OpledgerError("the database is away")
    together = await asyncio.gather(gathered.get("a"), gathered.get("b"), return_exceptions=True)
    assert [str(error) for error in together] == ["the database is away"] * 2
    asked.error = None
    assert await gathered.get("a") == 1


async def test_one_who_gives_up() -> None:
    """He ends it for nobody, and what only he wanted is not asked for."""
    asked = Asked(a=1, b=2, c=3)
    gathered = Gathered(asked, patience=60.0)
    asked.held["a"] = asyncio.Event()
    first, gone, other = (asyncio.ensure_future(gathered.get(key)) for key in "abc")
    await _settled()
    gone.cancel()
    first.cancel()
    asked.held["a"].set()
    assert await other == 3
    assert asked.questions == [{"a", "b", "c"}]
    alone = asyncio.ensure_future(gathered.get("a"))
    asked.held["a"].clear()
    await _settled()
    given_up, kept = asyncio.ensure_future(gathered.get("b")), asyncio.ensure_future(gathered.get("c"))
    await _settled()
    given_up.cancel()
    await _settled()
    asked.held["a"].set()
    assert (await alone, await kept) == (1, 3)
    assert asked.questions[2:] == [{"c"}]
    with pytest.raises(asyncio.CancelledError):
        await given_up


async def test_a_question_that_is_not_answered_does_not_hold_up_the_others() -> None:
    """A connection may hang; the pool has others."""
    asked = Asked(a=1, b=2)
    gathered = Gathered(asked, patience=0.01)
    asked.held["a"] = asyncio.Event()
    stuck = asyncio.ensure_future(gathered.get("a"))
    await _settled()
    assert await asyncio.wait_for(gathered.get("b"), 60) == 2
    assert not stuck.done()
    asked.held["a"].set()
    assert await stuck == 1


@pytest.mark.parametrize(("most", "questions"), [(100, [100, 100, 1]), (None, [201])])
async def test_how_much_is_asked_at_once(most: int | None, questions: list[int]) -> None:
    """As much as is said, or all."""
    asked = Asked()
    gathered = Gathered(asked, most=most, patience=60.0)
    await asyncio.gather(*(gathered.get(str(number)) for number in range(201)))
    assert [len(question) for question in asked.questions] == questions


async def test_how_many_questions_are_under_way() -> None:
    """Where so many hang, the next waits for one of them, whatever has come meanwhile going with it."""
    asked = Asked(a=1, b=2, c=3, d=4)
    gathered = Gathered(asked, patience=0.0, at_once=2)
    asked.held = {"a": asyncio.Event(), "b": asyncio.Event()}
    first, second, third, fourth = [(await begun(gathered.get(key)))[0] for key in "abcd"]
    assert asked.questions == [{"a"}, {"b"}]
    asked.held["b"].set()
    assert await asyncio.wait_for(asyncio.gather(second, third, fourth), 60) == [2, 3, 4]
    assert asked.questions == [{"a"}, {"b"}, {"c", "d"}]
    assert not first.done()
    asked.held["a"].set()
    assert await first == 1


async def test_all_have_given_up() -> None:
    """Nothing is asked for nobody."""
    asked = Asked()
    gathered = Gathered(asked, patience=60.0)
    asked.held["a"] = asyncio.Event()
    first, second = (asyncio.ensure_future(gathered.get(key)) for key in "ab")
    await _settled()
    late = asyncio.ensure_future(gathered.get("c"))
    await _settled()
    late.cancel()
    asked.held["a"].set()
    await asyncio.gather(first, second)
    await _settled()
    assert asked.questions == [{"a", "b"}]


async def test_a_question_belongs_to_no_request() -> None:
    """It is many's: what it logs carries what its maker has bound, not the id of one."""
    asked = Asked()
    REQUEST.set("its maker's")
    gathered = Gathered(asked, patience=60.0)
    REQUEST.set("mine")
    await gathered.get("a")
    assert asked.contexts == ["its maker's"]

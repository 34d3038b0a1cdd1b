"""Authentication by API key: few reads, quick refusals, and last uses stored outside of requests."""

import asyncio
from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from adapters.memory.access.api_keys import MemoryApiKeys
from adapters.memory.access.token_verifier import MemoryTokenVerifier
from adapters.memory.clock import MemoryClock
from application.access import authenticate
from application.access.api_key_admin import ManageKeys
from application.access.api_key_usage import NoteKeyUses
from application.access.authenticate import CACHE_MAX_AGE, Authenticate, AuthenticateKeys
from application.ports.storage.unit_of_work import DatabaseUnavailable
from domain.access.api_key import ApiKey
from domain.access.credentials import InvalidCredentials
from domain.access.principal import Principal
from domain.access.scope import Scope
from tests.support.ledger.commits import begun
from tests.support.randomness import counting


class CountedKeys(MemoryApiKeys):
    """API keys that count their reads, and may be unavailable."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.noted: list[Mapping[str, datetime]] = []
        self.away = False
        self.hold: asyncio.Event | None = None

    async def find(self, prefixes: Collection[str]) -> dict[str, ApiKey]:
        self.asked += 1
        if self.hold is not None:
            await self.hold.wait()
        if self.away:
            raise DatabaseUnavailable
        return await super().find(prefixes)

    async def note_used(self, last_used: Mapping[str, datetime]) -> None:
        if self.away:
            raise DatabaseUnavailable
        self.noted.append(last_used)
        await super().note_used(last_used)


class World:
    """A store of keys, its administration, and the authentication under test."""

    def __init__(self) -> None:
        self.clock, self.keys = MemoryClock(), CountedKeys()
        self.manage = ManageKeys(self.keys, self.clock, counting())
        self.uses = NoteKeyUses(self.keys)
        self.authenticate = AuthenticateKeys(self.keys, self.clock, self.uses)

    async def key(self, name: str = "ci", life: timedelta | None = None) -> tuple[str, str]:
        """Creates a key. Returns its text and prefix."""
        made = await self.manage.create(name, tenant="a", scopes=frozenset({Scope.READ}), life=life)
        return made.text, made.stored.prefix


async def ticks() -> None:
    """Lets all other tasks run as far as they can."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_a_key_gives_its_principal() -> None:
    """Its tenant, name, scopes and credential."""
    world = World()
    text, prefix = await world.key()
    assert await world.authenticate.principal(text) == Principal(
        "a", "ci", frozenset({Scope.READ}), credential=f"key {prefix}"
    )


async def test_a_key_is_read_once_every_ten_seconds() -> None:
    """Not once per request. A database outage in between is not noticed."""
    world = World()
    text, _ = await world.key()
    await world.authenticate.principal(text)
    world.keys.away = True
    world.clock.advance(CACHE_MAX_AGE - timedelta(milliseconds=1))
    await world.authenticate.principal(text)
    assert world.keys.asked == 1
    world.clock.advance(timedelta(milliseconds=1))
    with pytest.raises(DatabaseUnavailable):
        await world.authenticate.principal(text)


async def test_a_revocation_counts_within_the_lifetime_of_the_cache() -> None:
    """An expiry counts at once."""
    world = World()
    (text, prefix), (brief, _) = await world.key(), await world.key(life=timedelta(seconds=1))
    await world.authenticate.principal(text)
    await world.authenticate.principal(brief)
    await world.manage.revoke(prefix)
    world.clock.advance(timedelta(seconds=1))
    await world.authenticate.principal(text)
    with pytest.raises(InvalidCredentials, match="expired"):
        await world.authenticate.principal(brief)
    world.clock.advance(CACHE_MAX_AGE)
    with pytest.raises(InvalidCredentials, match="revoked"):
        await world.authenticate.principal(text)


async def test_an_invalid_key_is_refused() -> None:
    """A wrong secret, an unknown key. A key that is created later works at once."""
    world, elsewhere = World(), World()
    text, _ = await elsewhere.key()
    for wrong in (text, "nonsense"):
        with pytest.raises(InvalidCredentials):
            await world.authenticate.principal(wrong)
    made, _ = await world.key()
    assert made == text
    await world.authenticate.principal(text)
    with pytest.raises(InvalidCredentials, match="no such"):
        await world.authenticate.principal(text[:-1] + ("a" if text[-1] != "a" else "b"))


async def test_unknown_keys_are_looked_up_one_query_at_a_time() -> None:
    """A new valid key waits for at most the query under way. Known keys do not wait, also when they are read again."""
    world = World()
    text, _ = await world.key()
    await world.authenticate.principal(text)
    world.keys.hold = asyncio.Event()
    unknown = [f"opl_{first}{second * 7}_{'a' * 32}" for first in "abcdefghij" for second in "abcdefghij"]
    half = len(unknown) // 2
    floods = [asyncio.gather(*map(world.authenticate.principal, unknown[:half]), return_exceptions=True)]
    await ticks()
    floods.append(asyncio.gather(*map(world.authenticate.principal, unknown[half:]), return_exceptions=True))
    fresh, _ = await world.key("fresh")
    first_time = asyncio.create_task(world.authenticate.principal(fresh))
    await ticks()
    assert world.keys.asked == 1 + 1
    await world.authenticate.principal(text)
    world.clock.advance(CACHE_MAX_AGE)
    again = [asyncio.create_task(world.authenticate.principal(text)) for _ in range(10)]
    await ticks()
    assert world.keys.asked == 1 + 1 + 1
    world.keys.hold.set()
    assert {principal.actor for principal in await asyncio.gather(*again)} == {"ci"}
    assert (await first_time).actor == "fresh"
    for flood in floods:
        assert all(isinstance(answer, InvalidCredentials) for answer in await flood)
    assert world.keys.asked == 1 + 2 + 1


async def test_a_hanging_query_does_not_delay_known_keys() -> None:
    """Another connection reads them."""
    world = World()
    keys = [await world.key(str(number)) for number in range(2)]
    for text, _ in keys:
        await world.authenticate.principal(text)
    world.clock.advance(CACHE_MAX_AGE)
    world.keys.hold = hold = asyncio.Event()
    stuck = asyncio.ensure_future(world.authenticate.principal(keys[0][0]))
    await ticks()
    world.keys.hold = None
    assert (await asyncio.wait_for(world.authenticate.principal(keys[1][0]), 60)).actor == "1"
    assert not stuck.done()
    hold.set()
    assert (await stuck).actor == "0"


async def test_hanging_queries_about_unknown_keys_are_limited(monkeypatch: pytest.MonkeyPatch) -> None:
    """A hanging query delays new keys for a moment, not until its timeout. Made-up keys can make only a few queries
    hang."""
    limits = replace(authenticate.UNKNOWN_KEYS, slow_after=0.0)
    monkeypatch.setattr(authenticate, "UNKNOWN_KEYS", limits)
    world = World()
    text, _ = await world.key()
    world.keys.hold = hold = asyncio.Event()
    made_up: list[asyncio.Future[Any]] = [asyncio.create_task(world.authenticate.principal(f"opl_aaaaaaa1_{'a' * 32}"))]
    await begun()
    world.keys.hold = None
    assert (await asyncio.wait_for(world.authenticate.principal(text), 60)).actor == "ci"
    world.keys.hold = hold
    for number in range(2, 10):
        made_up += await begun(world.authenticate.principal(f"opl_aaaaaaa{number}_{'a' * 32}"))
    assert world.keys.asked == 1 + 3
    hold.set()
    assert {type(answer) for answer in await asyncio.gather(*made_up, return_exceptions=True)} == {InvalidCredentials}


async def test_an_outage_fails_the_requests_that_share_the_query() -> None:
    """No later ones. A cancelled request affects no other."""
    world = World()
    text, _ = await world.key()
    world.keys.hold, world.keys.away = asyncio.Event(), True
    asked = [asyncio.create_task(world.authenticate.principal(text)) for _ in range(3)]
    await ticks()
    asked.pop().cancel()
    await ticks()
    world.keys.hold.set()
    told = await asyncio.gather(*asked, return_exceptions=True)
    assert [type(error) for error in told] == [DatabaseUnavailable] * 2
    world.keys.away = False
    assert (await world.authenticate.principal(text)).actor == "ci"


async def test_a_step_stores_the_last_use_of_each_key() -> None:
    """Not of keys without a new use. Uses that could not be stored are kept for the next step."""
    world = World()
    text, prefix = await world.key()
    for _ in range(5):
        last = world.clock.advance(timedelta(seconds=1))
        await world.authenticate.principal(text)
    assert world.keys.noted == []
    world.keys.away = True
    with pytest.raises(DatabaseUnavailable):
        await world.uses.step(100)
    world.keys.away = False
    assert [(await world.uses.step(100)).found, (await world.uses.step(100)).found] == [1, 0]
    assert world.keys.noted == [{prefix: last}, {}]
    [stored] = await world.manage.list()
    assert stored.last_used_at == last


async def test_a_step_stores_a_limited_number_of_uses() -> None:
    """The next step stores the rest."""
    world = World()
    for number in range(3):
        text, _ = await world.key(f"key {number}")
        await world.authenticate.principal(text)
    assert [(await world.uses.step(2)).found for _ in range(3)] == [2, 1, 0]


async def test_a_wrong_secret_does_not_count_as_use() -> None:
    """Only the right secret does."""
    world = World()
    text, _ = await world.key()
    with pytest.raises(InvalidCredentials):
        await world.authenticate.principal(text[:-1] + ("a" if text[-1] != "a" else "b"))
    assert (await world.uses.step(10)).found == 0


async def test_a_taken_prefix_is_drawn_again() -> None:
    """No two keys have the same prefix."""
    clock, keys = MemoryClock(), MemoryApiKeys()
    drawn = iter([b"1" * 5, b"a" * 20, b"1" * 5, b"b" * 20, b"2" * 5, b"c" * 20])
    manage = ManageKeys(keys, clock, lambda _: next(drawn))
    scopes = frozenset({Scope.READ})
    made = [await manage.create(name, tenant="a", scopes=scopes, life=None) for name in ("one", "two")]
    assert [key.name for key in await keys.list()] == ["one", "two"]
    assert made[0].stored.prefix != made[1].stored.prefix


async def test_the_form_tells_keys_and_tokens_apart() -> None:
    """Without tokens every credential is read as a key, without keys as a token."""
    world, tokens = World(), MemoryTokenVerifier()
    text, _ = await world.key()
    person = Principal("b", "person", frozenset({Scope.READ}))
    token = tokens.issue(person)
    both = Authenticate(world.authenticate, tokens)
    assert (await both.principal(text)).actor == "ci"
    assert (await both.principal(token)).actor == "person"
    with pytest.raises(InvalidCredentials, match="malformed API key"):
        await Authenticate(world.authenticate, None).principal(token)
    with pytest.raises(InvalidCredentials):
        await Authenticate(None, tokens).principal(text)
    with pytest.raises(InvalidCredentials):
        await Authenticate(None, None).principal(text)


async def test_a_credential_is_rechecked_by_its_name() -> None:
    """A key is valid until it is revoked or expires, a token until the time in its principal. Anything else is
    invalid."""
    world = World()
    (text, prefix), (brief, _) = await world.key(), await world.key(life=timedelta(seconds=1))
    principal, expiring = [await world.authenticate.principal(one) for one in (text, brief)]
    keys = Authenticate(world.authenticate, None)
    tokens = Authenticate(None, MemoryTokenVerifier())
    await keys.recheck(principal)
    await keys.recheck(expiring)
    person = Principal("a", credential="token person")
    await tokens.recheck(person)
    for refusing, other in ((tokens, principal), (keys, person), (keys, Principal("a"))):
        with pytest.raises(InvalidCredentials, match="not accepted any more"):
            await refusing.recheck(other)
    world.clock.advance(timedelta(seconds=1))
    with pytest.raises(InvalidCredentials, match="expired"):
        await keys.recheck(expiring)
    await world.manage.revoke(prefix)
    world.clock.advance(CACHE_MAX_AGE)
    with pytest.raises(InvalidCredentials, match="revoked"):
        await keys.recheck(principal)

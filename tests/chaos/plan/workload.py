"""The operations of a campaign: of every type, with every fate, spread over the time."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any

from tests.chaos.plan.kinds import Fate, Way
from tests.chaos.plan.tenants import OTHER, OWN, named_key

NAMES = ("a", "b")
FAMILIES = ("quick", "sleep", "echo")
"""Types of parents and children of submissions."""
CHILDREN = 0.4
"""Share of them that are children."""
OF_OTHER = 0.25
"""Share of the operations of the other tenant, where they may be."""
SAME_KEY = 0.3
"""Share of these that have the idempotency key of an operation of the first tenant."""
BEFORE = 5.0
"""Seconds from a parent to its children."""
PREFIXES = {f"{who}-{prefix}": prefix for who in ("foreign", "client") for prefix in ("one", "shared", "latest")}
"""What the workflow ids begin with that the templates give, by type of work that clients start under them."""
TEMPLATES = {"named-reject": "one", "named-use": "shared", "named-terminate": "latest"}
"""What their workflow ids begin with, by type of operation with a template."""
BASKETS = ("signalled-basket", "updated-basket", "foreign-basket")
"""Types of work for the workflow Basket. Clients start it with a signal, with an update, or without the plugin, under
few workflow ids, so that starts join what runs."""
MAX_PUTS = 3
FALSY: tuple[Any, ...] = ({}, 0, "", [], None, False, 0.0, [None], {"": None})


@dataclass(frozen=True)
class Work:
    """One operation to submit: when, what, and what is done to it how long after it was accepted. Seconds."""

    number: int
    at: float
    key: str
    """Idempotency key, with its tenant."""
    type: str
    input: dict[str, Any]
    fate: Fate = Fate.LEFT_ALONE
    fate_after: float = 0.0
    way: Way = Way.SUBMIT
    choice: float = 0.0
    """Between 0 and 1, for what else there is to choose."""
    delay: int | None = None
    """Seconds until its start."""
    parent: str | None = None
    """Key of the submission on whose behalf this one is made."""
    tenant: str = OWN

    def body(self, parent_id: str | None) -> dict[str, Any]:
        """What is posted."""
        body = {"type": self.type, "input": self.input, "labels": {"number": str(self.number)}}
        if self.delay is not None:
            body["delay"] = f"{self.delay}s"
        return body if parent_id is None else {**body, "parent_id": parent_id}

    @property
    def sent_key(self) -> str:
        """The idempotency key as the tenant's client sends it."""
        return self.key.rpartition("/")[2]

    @property
    def workflow_id(self) -> str:
        """Of an execution that a client starts, or that a template names."""
        if prefix := (PREFIXES | TEMPLATES).get(self.type):
            return f"{prefix}-{self.input['name']}"
        if self.type in BASKETS:
            return f"basket-{self.input['name']}"
        return f"{self.type if self.tenant == OWN else self.tenant}-{self.number}"


@dataclass(frozen=True)
class Sort:
    """A share of the workload."""

    weight: int
    type: str
    seconds: tuple[float, float] = (0.0, 0.0)
    fate: Fate = Fate.LEFT_ALONE
    fate_after: tuple[float, float] = (0.0, 0.0)
    extra: Callable[[Random], dict[str, Any]] = lambda dice: {}
    way: Way = Way.SUBMIT
    delay: tuple[float, float] | None = None


def does(what: str) -> Callable[[Random], dict[str, Any]]:
    """An errand that takes this course."""
    return lambda dice: {"does": what}


def named(dice: Random) -> dict[str, Any]:
    """One of few names, so that workflow ids collide."""
    return {"name": dice.choice(NAMES)}


def _puts(dice: Random) -> dict[str, Any]:
    """A basket, and how many items are put into it, each with a start."""
    return {**named(dice), "puts": dice.randint(1, MAX_PUTS)}


def _machine(dice: Random) -> dict[str, Any]:
    return {"machine": f"m{dice.randrange(1000)}", "outcome": dice.choice(("success", "success", "failure"))}


SORTS = (
    Sort(14, "quick"),
    Sort(14, "sleep", (0.5, 6.0)),
    Sort(5, "fail", (0.0, 2.0)),
    Sort(5, "fail-in-activity"),
    Sort(4, "third-time"),
    Sort(3, "never"),
    Sort(5, "onwards"),
    Sort(2, "run-time-out", (30.0, 30.0)),
    Sort(2, "execution-time-out", (30.0, 30.0)),
    Sort(7, "echo", extra=lambda dice: {"value": dice.choice(FALSY)}),
    Sort(5, "untracked", (0.0, 3.0)),
    Sort(5, "untracked", (0.01, 0.1)),
    Sort(2, "untracked-failure", (0.0, 2.0)),
    Sort(3, "stumble", (0.1, 1.0)),
    Sort(3, "delayed", (1.0, 2.0), Fate.SIGNALLED_AT_CLOSE, (0.5, 1.0)),
    Sort(3, "sleep", (1.0, 2.0), Fate.SIGNALLED_AT_CLOSE, (0.5, 1.0)),
    Sort(6, "deploy", (0.2, 3.0), extra=_machine),
    Sort(2, "give-way", (20.0, 20.0), Fate.CANCELED, (0.5, 4.0)),
    Sort(2, "give-way", (20.0, 20.0), Fate.API_CANCEL, (0.5, 4.0)),
    Sort(2, "linger", (20.0, 20.0), Fate.TERMINATED, (0.0, 4.0)),
    Sort(2, "untracked", (20.0, 20.0), Fate.TERMINATED, (0.5, 4.0)),
    Sort(1, "deploy", (20.0, 20.0), Fate.TERMINATED, (0.5, 4.0), _machine),
    Sort(1, "linger", (20.0, 20.0), Fate.CANCELED, (0.0, 3.0)),
    Sort(2, "linger", (8.0, 8.0), Fate.RESET, (1.0, 5.0)),
    Sort(8, "linger", (8.0, 8.0), Fate.TERMINATED_AND_RESET, (1.0, 4.0)),
    Sort(2, "linger", (25.0, 25.0), Fate.DELETED, (0.0, 4.0)),
    Sort(2, "linger", (20.0, 20.0), Fate.API_FORCE, (0.0, 4.0)),
    Sort(1, "sleep", (1.0, 3.0), Fate.API_CANCEL, (0.5, 3.0)),
    Sort(1, "quick", fate=Fate.API_CANCEL_AT_ONCE),
    Sort(1, "linger", (15.0, 15.0), fate=Fate.API_CANCEL_AT_ONCE),
    Sort(4, "quick", delay=(1.0, 8.0)),
    Sort(2, "linger", (20.0, 20.0), Fate.API_BULK_CANCEL, (0.0, 2.0), delay=(1.0, 3.0)),
    Sort(3, "linger", (20.0, 20.0), Fate.API_BULK_CANCEL, (0.0, 4.0)),
    Sort(3, "give-way", (20.0, 20.0), Fate.API_BULK_CANCEL, (0.5, 4.0)),
    Sort(1, "sleep", (1.0, 3.0), Fate.API_BULK_CANCEL, (0.5, 3.0)),
    Sort(3, "quick", fate=Fate.API_RETRY, fate_after=(0.0, 2.0)),
    Sort(2, "fail", (0.0, 1.0), Fate.API_RETRY, (0.0, 2.0)),
    Sort(3, "quick", way=Way.SQL),
    Sort(3, "sleep", (0.5, 4.0), way=Way.SQL),
    Sort(2, "linger", (20.0, 20.0), Fate.API_BULK_CANCEL, (0.0, 3.0), way=Way.SQL),
    Sort(1, "refused", (1.0, 1.0), extra=_machine),
    Sort(7, "named-reject", (0.5, 6.0), extra=named),
    Sort(7, "named-use", (0.5, 6.0), extra=named),
    Sort(7, "named-terminate", (0.5, 6.0), extra=named),
    *(Sort(2, f"foreign-{prefix}", (0.5, 3.0), extra=named, way=Way.FOREIGN) for prefix in ("one", "shared", "latest")),
    *(Sort(1, f"client-{prefix}", (0.5, 3.0), extra=named, way=Way.CLIENT) for prefix in ("one", "shared", "latest")),
    Sort(4, "recorded", (0.2, 4.0), way=Way.CLIENT),
    *(Sort(1, "recorded", (0.2, 1.0), extra=does(what), way=Way.CLIENT) for what in ("onwards", "retry", "fail")),
    Sort(1, "recorded", (8.0, 8.0), Fate.TERMINATED, (0.0, 4.0), way=Way.CLIENT),
    Sort(1, "recorded", (8.0, 8.0), Fate.RESET, (1.0, 5.0), way=Way.CLIENT),
    Sort(5, "signalled-basket", (1.0, 6.0), extra=_puts, way=Way.SIGNAL),
    Sort(5, "updated-basket", (1.0, 6.0), extra=_puts, way=Way.UPDATE),
    Sort(3, "foreign-basket", (1.0, 6.0), extra=named, way=Way.FOREIGN),
    Sort(3, "plugged", (0.2, 4.0), way=Way.WORKER_HTTP),
    *(Sort(1, "plugged", (0.2, 1.0), extra=does(what), way=Way.WORKER_HTTP) for what in ("onwards", "retry")),
    Sort(2, "plugged", (0.2, 2.0), extra=does("children"), way=Way.WORKER_HTTP),
    Sort(2, "plugged", (0.2, 2.0), extra=does("children")),
    Sort(3, "queued", (0.2, 4.0), way=Way.WORKER_QUEUE),
    *(Sort(1, "queued", (0.2, 1.0), extra=does(what), way=Way.WORKER_QUEUE) for what in ("children", "onwards")),
    Sort(4, "watched", (0.0, 3.0), way=Way.RULE),
    *(Sort(1, "watched", (0.2, 1.0), extra=does(what), way=Way.RULE) for what in ("onwards", "retry", "fail")),
    Sort(2, "watched", (0.2, 2.0), extra=does("children"), way=Way.RULE),
    Sort(1, "watched", (8.0, 8.0), Fate.TERMINATED, (0.0, 4.0), way=Way.RULE),
    Sort(1, "watched", (8.0, 8.0), Fate.RESET, (1.0, 5.0), way=Way.RULE),
    Sort(1, "watched", (8.0, 8.0), Fate.TERMINATED_AND_RESET, (1.0, 4.0), way=Way.RULE),
    Sort(2, "watched", (25.0, 25.0), Fate.DELETED, (0.3, 3.0), way=Way.RULE),
    Sort(3, "watched", (0.2, 2.0), way=Way.SCHEDULE),
    *(
        sort
        for kind, way in (("chosen", Way.QUERY), ("passed-over", Way.PASSED_OVER))
        for sort in (
            Sort(2, kind, (0.0, 3.0), way=way),
            *(Sort(1, kind, (0.2, 1.0), extra=does(what), way=way) for what in ("onwards", "children", "fail")),
            *(Sort(1, kind, (8.0, 8.0), fate, (1.0, 4.0), way=way) for fate in (Fate.TERMINATED, Fate.RESET)),
            Sort(1, kind, (8.0, 8.0), Fate.TERMINATED_AND_RESET, (1.0, 4.0), way=way),
        )
    ),
    Sort(3, "called", (0.2, 6.0), way=Way.CALL),
    *(Sort(1, "called", (0.2, 1.0), extra=does(what), way=Way.CALL) for what in ("onwards", "retry")),
    Sort(1, "watched", (0.5, 3.0), way=Way.CALL),
    Sort(1, "plugged", (0.5, 3.0), way=Way.CALL),
)
"""What clients start is named after their type and number."""


def workload(
    dice: Random, operations: int, seconds: float, types: Collection[str] = (), ways: Collection[Way] = ()
) -> tuple[Work, ...]:
    """As many operations, evenly spread over the seconds with some jitter; of these types and ways alone, if any are
    named."""
    every = seconds / operations
    sorts = [sort for sort in SORTS if (not types or sort.type in types) and (not ways or sort.way in ways)]
    weights = [sort.weight for sort in sorts]
    works = [
        _work(dice, number, (number + dice.random()) * every, dice.choices(sorts, weights)[0])
        for number in range(operations)
    ]
    return tuple(_with_parents(dice, list(_with_tenants(works))))


def _with_tenants(works: Sequence[Work]) -> Iterator[Work]:
    """Some works of clients that have a choice are of the other tenant. The clients and workers with the plugin, and
    the transactions, are the first one's."""
    keys: list[str] = []
    for work in works:
        dice = Random(f"tenant {work.key}")
        submitted = work.way is Way.SUBMIT and work.type != "plugged"
        may = submitted or (work.way, work.type) in ((Way.CALL, "called"), (Way.QUERY, "chosen"))
        if may and dice.random() < OF_OTHER:
            key = dice.choice(keys) if keys and dice.random() < SAME_KEY else work.key
            if key in keys:
                keys.remove(key)
            yield replace(work, key=named_key(OTHER, key), tenant=OTHER)
            continue
        if submitted:
            keys.append(work.key)
        yield work


def _with_parents(dice: Random, works: Sequence[Work]) -> Iterator[Work]:
    """Some submissions are made on behalf of an earlier one, to which nothing is done."""
    parents: list[Work] = []
    for work in works:
        suits = work.way is Way.SUBMIT and work.type in FAMILIES and work.fate is Fate.LEFT_ALONE
        earlier = [one for one in parents if one.at < work.at - BEFORE and one.tenant == work.tenant]
        if suits and earlier and dice.random() < CHILDREN:
            yield replace(work, parent=dice.choice(earlier).key)
            continue
        if suits:
            parents.append(work)
        yield work


def _work(dice: Random, number: int, at: float, sort: Sort) -> Work:
    content = {"seconds": round(dice.uniform(*sort.seconds), 2), **sort.extra(dice), "number": number}
    key = f"{dice.getrandbits(96):024x}"
    after = round(dice.uniform(*sort.fate_after), 2)
    delay = None if sort.delay is None else round(dice.uniform(*sort.delay))
    return Work(number, at, key, sort.type, content, sort.fate, after, sort.way, dice.random(), delay)

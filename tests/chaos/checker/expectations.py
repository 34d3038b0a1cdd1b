"""P7: all work comes to what its workflow makes of it, as if there were no ledger.

Ledger and Temporal agree as well where the tracking has harmed the workflow itself. So each kind of work says here what
becomes of it when it is left alone, and what may be done to it.
"""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from tests.chaos.checker.chains import Chain
from tests.chaos.checker.facts import End, Order, Row, Run, Violation

Expected = tuple[str, Any]
"""The kind of end, and with it the result or the message."""
BY_FORCE = ("TERMINATED", "TERMINATED_AND_RESET", "DELETED", "API_FORCE")
BY_REQUEST = ("CANCELED", "API_CANCEL", "API_CANCEL_AT_ONCE", "API_BULK_CANCEL")
THROUGH_THE_API = ("API_CANCEL", "API_CANCEL_AT_ONCE", "API_BULK_CANCEL", "API_FORCE")
GIVES_WAY = ("give-way", "linger", "sleep")
"""Their bodies wait for a timer above all, and are cancelled there."""
STUMBLES = "stumble"
REFUSED = "refused"
SHARED_NAMES = (
    *("named-reject", "named-use", "named-terminate"),
    *(f"{who}-{prefix}" for who in ("foreign", "client") for prefix in ("one", "shared", "latest")),
)
"""Their executions may end each other, or keep each other from starting."""
BASKETS = ("signalled-basket", "updated-basket", "foreign-basket")
"""The same. What they are given has to be in their result."""
ENDED_BY_OTHERS = (*SHARED_NAMES, *BASKETS)
MAY_BE_REFUSED = (*ENDED_BY_OTHERS, "recorded")
"""A client that records a start and gets no answer starts again, and is refused if the first start was taken."""
SIGNALS = "accepted signals"
"""Beside an order's input: how many signals the server has accepted. Each of them has to be in the result."""
ITEMS = "accepted items"
"""The same, for what came with signals and updates."""


def _deployed(order: Mapping[str, Any]) -> Expected:
    if order["outcome"] == "failure":
        return "WORKFLOW_FAILED", f"machine {order['machine']} did not pass inspection"
    return "COMPLETED", {"machine": order["machine"], "state": "deployed"}


def _errand(order: Mapping[str, Any]) -> Expected:
    if order.get("does") == "fail":
        return "WORKFLOW_FAILED", f"errand {order['number']} cannot be done"
    return "COMPLETED", {"errand": order["number"]}


LEFT_ALONE: Mapping[str, Callable[[Mapping[str, Any]], Expected]] = {
    "quick": lambda order: ("COMPLETED", {"done": order["number"]}),
    "sleep": lambda order: (
        "COMPLETED",
        {"slept": order["seconds"], "number": order["number"], "nudges": order[SIGNALS]},
    ),
    "fail": lambda order: ("WORKFLOW_FAILED", f"order {order['number']} cannot be done"),
    "fail-in-activity": lambda order: ("WORKFLOW_FAILED", f"order {order['number']}: disk 7 is full"),
    "third-time": lambda order: ("COMPLETED", {"attempt": 3}),
    "never": lambda order: ("WORKFLOW_FAILED", f"attempt 3 of order {order['number']}"),
    "onwards": lambda order: ("COMPLETED", {"parts": 4}),
    "run-time-out": lambda order: ("TIMED_OUT", None),
    "execution-time-out": lambda order: ("TIMED_OUT", None),
    "linger": lambda order: ("COMPLETED", "nobody disturbed me"),
    "give-way": lambda order: ("COMPLETED", "nobody asked me to stop"),
    "echo": lambda order: ("COMPLETED", order["value"]),
    "untracked": lambda order: ("COMPLETED", [order["number"]]),
    "untracked-failure": lambda order: ("WORKFLOW_FAILED", f"order {order['number']} failed untold"),
    "delayed": lambda order: ("COMPLETED", {"signals": order[SIGNALS], "number": order["number"]}),
    STUMBLES: lambda order: ("COMPLETED", {"went on": order["number"]}),
    "deploy": _deployed,
    **dict.fromkeys(BASKETS, lambda order: ("COMPLETED", {"items": order[ITEMS]})),
    **dict.fromkeys(
        (*SHARED_NAMES, "recorded", "plugged", "queued", "watched", "chosen", "passed-over", "called"), _errand
    ),
}
"""By kind of work."""


def as_expected(row: Row, order: Order, chains: Sequence[Chain]) -> Iterator[Violation]:
    """What the work came to, against what it had to come to."""
    yield from _start(row, order, chains)
    yield from came_to(row.id, order, chains)


def came_to(who: str, order: Order, chains: Sequence[Chain]) -> Iterator[Violation]:
    """What the executions came to, whether or not they have a row."""
    for run in (run for chain in chains for run in chain.runs):
        if run.end is not None and order.type in LEFT_ALONE and (wanted := _unmet(order, run, run.end)):
            yield Violation(who, "P7", f"{order.type}, {order.fate}: {wanted}", str(run.end))
        if run.task_failures and order.type != STUMBLES:
            yield Violation(who, "P7", f"no workflow task of {order.type} fails", f"{run.task_failures} failed")
    ended = any(chain.ends for chain in chains)
    if order.type == STUMBLES and ended and not any(run.task_failures for chain in chains for run in chain.runs):
        yield Violation(who, "P7", "a workflow task that fails before it goes on", "none did")


def _start(row: Row, order: Order, chains: Sequence[Chain]) -> Iterator[Violation]:
    """Only what Temporal cannot take is refused, and only what was cancelled never runs."""
    rejected = row.error_code == "START_REJECTED"
    if (order.type == REFUSED) != rejected and not (rejected and order.type in MAY_BE_REFUSED):
        yield Violation(row.id, "P7", f"{order.type} {'refused' if not rejected else 'started'}", _shown(row))
    if order.type == REFUSED and chains:
        yield Violation(row.id, "P7", "no execution of what cannot be started", chains[0].first_run_id)
    if not chains and row.error_code == "CANCELED" and order.fate not in THROUGH_THE_API:
        yield Violation(row.id, "P7", f"a start of {order.type}, {order.fate}", _shown(row))


def _unmet(order: Order, run: Run, end: End) -> str | None:
    """What was expected instead of this end; None where it is right."""
    if end.kind == "TERMINATED":
        return None if order.fate in BY_FORCE or order.type in ENDED_BY_OTHERS else "no end from outside"
    gives_way = order.type in GIVES_WAY and order.fate in BY_REQUEST
    if gives_way and run.interrupted:
        return None if end.kind == "CANCELED" else "CANCELED, because it was asked to end while it waited"
    if gives_way and run.cancel_requested and end.kind == "CANCELED":
        return None  # the request came as it was about to end by itself
    kind, content = LEFT_ALONE[order.type]({**order.input, SIGNALS: run.signals, ITEMS: list(run.items)})
    if end.kind != kind:
        return kind
    if kind == "WORKFLOW_FAILED" and end.message != content:
        return f"the message {content!r}"
    if kind == "COMPLETED" and _canonical(json.loads(end.result)) != _canonical(content):
        return f"the result {content!r}"
    return None


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True)


def _shown(row: Row) -> str:
    return f"{row.status} {row.error_code or ''} {row.error_message or ''}".strip()

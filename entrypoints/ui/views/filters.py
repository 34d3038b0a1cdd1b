"""The filters of the list of operations, as parameters of its URL."""

from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import urlencode
from uuid import UUID

from application.ports.storage.operation_queries import AtLeast
from domain.operation.attention import AttentionKind
from domain.operation.status import OperationStatus
from entrypoints.ui.rendering.times import iso
from entrypoints.ui.rendering.words import ATTENTION, at_least

Parameters = Sequence[tuple[str, str]]
LIST: Final = "/operations"
NO_FILTERS: Final = frozenset({"page_token", "order"})
"""Parameters of the list that are no filters."""
PERIODS: Final[Mapping[str, timedelta]] = {
    "1h": timedelta(hours=1),
    "24h": timedelta(days=1),
    "7d": timedelta(days=7),
}
MAX_ATTENTIVE: Final = 100
"""Operations that need attention are counted up to this number: "100+"."""
KEEP: Final = "keep"
"""Value of the form's period: the URL's `accepted_after` stays."""
_NAMES: Final = {
    "status": "Status",
    "type": "Type",
    "error_code": "Error",
    "attention": "Attention",
    "parent": "Children of",
    "workflow_id": "Workflow",
    "origin": "Origin",
    "id_prefix": "Id begins with",
    "accepted_after": "Accepted after",
    "accepted_before": "Accepted before",
    "finished_after": "Finished after",
    "finished_before": "Finished before",
    "order": "Order",
}
_FIELDS: Final = frozenset({"q", "since", "type"})
"""Fields of the form. The others keep what the URL has."""


def with_parameters(given: Parameters, **changed: str | Sequence[str] | None) -> str:
    """The path of the list with other values of these parameters; None removes one. A page token is left out."""
    kept = [(name, value) for name, value in given if name not in changed and name != "page_token"]
    added = [(name, value) for name, values in changed.items() for value in _several(values)]
    return f"{LIST}?{urlencode(kept + added)}" if kept + added else LIST


def tabs(
    given: Parameters, numbers: Counter[OperationStatus] | None, attention: AtLeast | None
) -> list[dict[str, Any]]:
    """All operations, those that need attention, and those of each status: links with their numbers, if these are
    known."""
    statuses = {value for name, value in given if name == "status"}
    attentions = {value for name, value in given if name == "attention"}

    def tab(name: str, *, current: bool, number: int | None = None, **changed: Any) -> dict[str, Any]:
        shown = None if number is None else f"{number:,}"
        return {"name": name, "href": with_parameters(given, **changed), "current": current, "number": shown}

    total = None if numbers is None else numbers.total()
    return [
        tab("All", status=None, attention=None, current=not statuses | attentions, number=total),
        tab("Attention", status=None, attention=[*AttentionKind], current=bool(attentions))
        | {"number": None if attention is None else at_least(attention)},
        *(
            tab(
                status.capitalize(),
                status=status,
                attention=None,
                current=statuses == {status} and not attentions,
                number=None if numbers is None else numbers[status],
            )
            for status in OperationStatus
        ),
    ]


def chips(given: Parameters) -> list[dict[str, str]]:
    """The filters that no tab shows: each with its words, and the link that removes it."""
    kinds = [value for name, value in given if name == "attention"]
    found = []
    for name, value in given:
        hidden = name in ("status", "page_token") or (name == "attention" and len(kinds) == len(AttentionKind))
        if not hidden:
            found.append({"words": _condition(name, value), "without": _without(given, name, value)})
    return found


def conditions(given: Parameters) -> list[str]:
    """All filters in words."""
    return [_condition(name, value) for name, value in given if name not in NO_FILTERS]


def searched_id(given: Parameters) -> UUID | None:
    """The text of the form, if it is an id: of an operation, or of a workflow."""
    try:
        return UUID(dict(given).get("q", "").strip())
    except ValueError:
        return None


def searched(given: Parameters, now: datetime) -> str:
    """The path of the list that the form asks for. The text is labels as KEY=VALUE, or a workflow id."""
    fields = dict(given)
    text = fields.get("q", "").strip()
    replaced = _FIELDS if fields.get("since") == KEEP else _FIELDS | {"accepted_after"}
    kept = [(name, value) for name, value in given if name not in replaced]
    labels = [word.partition("=") for word in text.split()]
    if labels and all(key and equals for key, equals, _ in labels):
        found = {f"label.{key}": value for key, _, value in labels}
    else:
        found = {"workflow_id": text} if text else {}
    if fields.get("type"):
        found["type"] = fields["type"]
    if fields.get("since") in PERIODS:
        found["accepted_after"] = iso((now - PERIODS[fields["since"]]).replace(microsecond=0))
    return with_parameters(kept, **found)


def _several(values: Any) -> list[str]:
    if values is None:
        return []
    return [values] if isinstance(values, str) else list(values)


def _without(given: Parameters, name: str, value: str) -> str:
    return with_parameters([each for each in given if each != (name, value)])


def _condition(name: str, value: str) -> str:
    return f"{_NAMES.get(name, name.removeprefix('label.'))}: {_words(name, value)}"


def _words(name: str, value: str) -> str:
    return ATTENTION[AttentionKind(value)] if name == "attention" else value

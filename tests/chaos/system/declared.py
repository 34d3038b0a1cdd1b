"""What the campaign's declaration of operation types, and its workers, make operations of."""

import re
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from tests.chaos.checker.facts import DEFAULT, Declared
from tests.chaos.system.system import TYPES

SELECTED = re.compile(r"WorkflowId STARTS_WITH '(?P<prefix>[^']+)'")
"""The only kind of query that the campaign's rules have."""


def declared() -> Declared:
    """As the checker needs it, read without the service's code."""
    types = tomllib.loads(TYPES.read_text())["operations"]
    return Declared(
        watched=_watched(types.values()),
        reporting=frozenset({"plugged", "queued"}),
        policies={name: one["on_running"] for name, one in types.items() if "workflow_id" in one},
        workflows={name: one["workflow"] for name, one in types.items() if "workflow_id" in one},
    )


def _watched(types: Iterable[Mapping[str, Any]]) -> dict[str, dict[str, str]]:
    found: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for one in types:
        if one.get("adopt"):
            found[one["workflow"]][_prefix(one.get("query"))] = one.get("tenant", DEFAULT)
    return dict(found)


def _prefix(query: str | None) -> str:
    """What the workflow ids begin with that the query selects."""
    if query is None:
        return ""
    selected = SELECTED.fullmatch(query)
    assert selected, f"the checker does not know what {query} selects"
    return selected["prefix"]

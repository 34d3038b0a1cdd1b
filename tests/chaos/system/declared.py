"""What the campaign's declaration of operation types, and its workers, make operations of."""

import tomllib

from tests.chaos.checker.facts import Declared
from tests.chaos.system.system import TYPES


def declared() -> Declared:
    """As the checker needs it, read without the service's code."""
    types = tomllib.loads(TYPES.read_text())["operations"]
    return Declared(
        watched=frozenset(one["workflow"] for one in types.values() if one.get("adopt")),
        reporting=frozenset({"plugged", "queued"}),
        policies={name: one["on_running"] for name, one in types.items() if "workflow_id" in one},
        workflows={name: one["workflow"] for name, one in types.items() if "workflow_id" in one},
    )

"""Mistakes of a worker, not of its workflow: a workflow task that fails by one is done again, and goes well."""

from collections import Counter

TIMES = 2
_made: Counter[tuple[str, int]] = Counter()
"""Outside the workflows' sandbox, because a workflow task that failed begins anew there."""


def stumbles(workflow_id: str, step: int) -> bool:
    """Whether this is one of the step's first attempts in this process. A step that went well goes well for ever."""
    _made[(workflow_id, step)] += 1
    return _made[(workflow_id, step)] <= TIMES

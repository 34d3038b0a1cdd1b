"""Decides whether an input is too large to be checked on the event loop."""

from typing import Any, Final

_LIMIT: Final = 16_384
"""Characters, of which each item and field counts as several. Smaller inputs are checked in less than a millisecond."""
_ITEM: Final = 8


def is_large(value: Any) -> bool:
    """Returns whether the value exceeds the limit. Reads no more of it than that."""
    room = _LIMIT
    pending = [value]
    while pending:
        item = pending.pop()
        if isinstance(item, str):
            room -= len(item)
        elif isinstance(item, dict | list):
            room -= _ITEM * len(item)
            if room >= 0 and isinstance(item, dict):
                pending += item.keys()
                pending += item.values()
            elif room >= 0:
                pending += item
        if room < 0:
            return True
    return False

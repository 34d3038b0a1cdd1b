"""Randomness that is the same in every run."""

import itertools
from collections.abc import Callable


def counting() -> Callable[[int], bytes]:
    """So many bytes, which are a number that grows."""
    numbers = itertools.count(1)
    return lambda size: next(numbers).to_bytes(size)

"""Exponential backoff."""

from datetime import timedelta


def exponential(
    attempt: int, *, first: timedelta = timedelta(seconds=1), cap: timedelta = timedelta(minutes=1)
) -> timedelta:
    """Delay after the given attempt (from 1): `first`, doubled with every further attempt, at most `cap`."""
    doublings = min(max(attempt - 1, 0), 30)
    return min(first * (1 << doublings), cap)

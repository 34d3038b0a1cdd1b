"""Answers after which a request is repeated."""

from collections.abc import Mapping
from typing import Final

UNAVAILABLE: Final = frozenset({408, 429, 500, 502, 503, 504})
"""Status codes of a ledger, or of a proxy in front of it, that may answer well later."""


def retry_after(headers: Mapping[str, str]) -> float:
    """Seconds of the header; 0 if it is missing or a date."""
    try:
        return max(0.0, float(headers.get("retry-after", "0")))
    except ValueError:
        return 0.0

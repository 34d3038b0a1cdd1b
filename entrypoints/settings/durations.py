"""Parses durations in settings: 500ms, 90s, 1h30m, 2d."""

import re
from datetime import timedelta

_UNITS = {"ms": 0.001, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
_PART = re.compile(r"(\d+(?:\.\d+)?)(ms|s|m|h|d)", re.ASCII)
RULE = "a duration such as 500ms, 90s, 1h30m or 2d"


def parse_duration(text: str) -> timedelta:
    """Returns the duration. Raises ValueError with the rule."""
    parts = _PART.findall(text)
    if not parts or "".join(number + unit for number, unit in parts) != text:
        raise ValueError(f"expected {RULE}, not {text!r}")
    try:
        return timedelta(seconds=sum(float(number) * _UNITS[unit] for number, unit in parts))
    except OverflowError:
        raise ValueError(f"{text!r} is longer than the longest duration") from None


class Duration(timedelta):
    """A timedelta that msgspec decodes with `decode_duration`. It decodes a plain timedelta as ISO 8601."""


class DurationOrOff:
    """A duration, or `off`, that msgspec decodes with `decode_duration`. It decodes a dataclass as an object."""

    def __init__(self, length: timedelta | None) -> None:
        """None: off."""
        self.length = length


def decode_duration(kind: type, value: object) -> object:
    """msgspec's decoding hook for `Duration` and `DurationOrOff`."""
    if kind is DurationOrOff:
        if value == "off":
            return DurationOrOff(None)
        if isinstance(value, str):
            return DurationOrOff(parse_duration(value))
        raise ValueError(f"expected {RULE}, or off")
    if kind is Duration and isinstance(value, str):
        return Duration(seconds=parse_duration(value).total_seconds())
    raise ValueError(f"expected {RULE}")

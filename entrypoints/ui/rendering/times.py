"""Times and durations in words."""

from datetime import UTC, datetime, timedelta
from typing import Final

_UNITS: Final = (("d", 86_400), ("h", 3_600), ("min", 60), ("s", 1))


def duration(seconds: float | timedelta) -> str:
    """The two largest units, such as "1 min 52 s"; below ten seconds with a decimal, below one in milliseconds."""
    value = seconds.total_seconds() if isinstance(seconds, timedelta) else seconds
    value = max(value, 0)
    if value < 0.9995:
        return f"{value * 1000:.0f} ms"
    if value < 9.95:
        return f"{value:.1f} s"
    rest = int(value)
    parts: list[tuple[int, str]] = []
    for name, size in _UNITS:
        count, rest = divmod(rest, size)
        if count or parts:
            parts.append((count, name))
    return " ".join(f"{count} {name}" for count, name in parts[:2] if count)


def ago(at: datetime, now: datetime) -> str:
    """The age in its largest unit, such as "4 min ago"; "just now" below five seconds, "in 2 h" for a later time."""
    seconds = (now - at).total_seconds()
    if abs(seconds) < 5:
        return "just now"
    name, size = next(unit for unit in _UNITS if abs(seconds) >= unit[1])
    count = f"{int(abs(seconds) // size)} {name}"
    return f"{count} ago" if seconds > 0 else f"in {count}"


def exact(at: datetime) -> str:
    """The time in UTC, to the millisecond."""
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S}.{at.microsecond // 1000:03d} UTC"


def iso(at: datetime) -> str:
    """The time for the attribute `datetime` of an HTML element."""
    return at.astimezone(UTC).isoformat().replace("+00:00", "Z")

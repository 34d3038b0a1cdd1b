"""Reads the fields of a JSON object and collects every fault, each with the field's name and its rule."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from domain.json_value import JsonValue

MAX_SHOWN = 60
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_TIME_RULE = "a time in RFC 3339 with a zone, such as 2026-01-31T12:00:00.5Z"


class Fields:
    """One object. A null counts as an absent field: several SDKs send every field that is not set as null."""

    def __init__(
        self, value: Mapping[str, JsonValue], known: frozenset[str], faults: list[str], path: str = ""
    ) -> None:
        """Names that are not `known` are ignored, so that an older ledger takes a newer worker's reports; except a
        known name in another spelling (`operationId`), which is a mistake."""
        self._value = value
        self._faults = faults
        self._path = path
        by_spelling = {_plain(name): name for name in known}
        for name in value:
            meant = by_spelling.get(_plain(name))
            if meant is not None and name != meant:
                faults.append(f"{path}{name[:MAX_SHOWN]}: the field is named {path}{meant}")

    def value(self, name: str) -> JsonValue:
        """The value as it is; None where it is absent."""
        return self._value.get(name)

    def fault(self, name: str, rule: str) -> None:
        """Note that the field breaks the rule, and what it is."""
        value = self._value.get(name)
        it_is = "it is missing" if value is None else f"it is {shown(value)}"
        self._faults.append(f"{self._path}{name}: {rule}; {it_is}")

    def text(self, name: str, *, required: bool = False) -> str | None:
        value = self._value.get(name)
        if isinstance(value, str):
            return value
        if value is not None or required:
            self.fault(name, "a string")
        return None

    def flag(self, name: str) -> bool:
        value = self._value.get(name)
        if value is not None and not isinstance(value, bool):
            self.fault(name, "true or false")
        return value is True

    def number(self, name: str) -> float | None:
        value = self._value.get(name)
        if value is None:
            return None
        try:
            number = math.nan if isinstance(value, bool) or not isinstance(value, int | float) else float(value)
        except OverflowError:
            number = math.inf
        if math.isfinite(number):
            return number
        self.fault(name, "a finite number")
        return None

    def integer(self, name: str, default: int, lowest: int, highest: int) -> int:
        """Also where it is written as a float, such as 1.0."""
        value = self._value.get(name)
        if value is None:
            return default
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
            self.fault(name, f"an integer from {lowest} to {highest}")
            return default
        return value

    def items(self, name: str) -> list[JsonValue]:
        value = self._value.get(name)
        if value is not None and not isinstance(value, list):
            self.fault(name, "a list")
        return value if isinstance(value, list) else []

    def fields(self, name: str, known: frozenset[str]) -> "Fields | None":
        value = self._value.get(name)
        if isinstance(value, dict):
            return Fields(value, known, self._faults, f"{self._path}{name}.")
        if value is not None:
            self.fault(name, "an object")
        return None

    def uuid(self, name: str) -> UUID | None:
        value = self._value.get(name)
        if isinstance(value, str) and _UUID.fullmatch(value):
            return UUID(value)
        self.fault(name, "a UUID in its canonical form")
        return None

    def time(self, name: str) -> datetime | None:
        """In UTC. Digits beyond microseconds are dropped: other SDKs send nanoseconds."""
        value = self._value.get(name)
        if isinstance(value, str) and _TIME.fullmatch(value):
            try:
                return datetime.fromisoformat(value.upper()).astimezone(UTC)
            except (ValueError, OverflowError):
                pass
        self.fault(name, _TIME_RULE)
        return None


def shown(value: Any) -> str:
    """A value in an error message: short, and printable whatever it holds."""
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 10**30:
        return "a very large integer"
    cut = value[:MAX_SHOWN] if isinstance(value, str) else value
    return f"{cut!a}{'...' if isinstance(value, str) and len(value) > MAX_SHOWN else ''}"


def _plain(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()

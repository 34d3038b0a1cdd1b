"""Decodes the fields of a JSON object, and collects every violation with the field's name and the rule."""

import math
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from domain.json_value import JsonValue, clean_text

MAX_SHOWN = 60
MAX_VIOLATIONS = 20
"""How many violations an error lists."""
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_UNSTORABLE = re.compile("[\x00\ud800-\udfff]")
_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_TIME_RULE = "a time in RFC 3339 with a zone, such as 2026-01-31T12:00:00.5Z"


class InvalidArgument(ValueError):
    """The argument cannot be read. Has every violation, each with the name of its field."""

    def __init__(self, *violations: str) -> None:
        self.violations = [clean_text(violation, 300) for violation in violations[:MAX_VIOLATIONS]]
        more = [f"and {len(violations) - MAX_VIOLATIONS} more"] if len(violations) > MAX_VIOLATIONS else []
        super().__init__("; ".join([*self.violations, *more]))


class ObjectDecoder:
    """Decodes one object. A null counts as an absent field: several SDKs send null for every field that is not set.

    Each method returns a field's value. For an absent or an invalid field it returns the default or None, and collects
    the violation."""

    def __init__(
        self, value: Mapping[str, JsonValue], known: frozenset[str], violations: list[str], path: str = ""
    ) -> None:
        """Collects into `violations`; `path` precedes the names there. Fields that are not `known` are ignored, so that
        an older ledger accepts the reports of a newer worker. A known name in another spelling (`operationId`) is a
        violation."""
        self._value = value
        self._violations = violations
        self._path = path
        by_spelling = {_plain(name): name for name in known}
        for name in value:
            meant = by_spelling.get(_plain(name))
            if meant is not None and name != meant:
                violations.append(f"{path}{name[:MAX_SHOWN]}: the field is named {path}{meant}")

    def value(self, name: str) -> JsonValue:
        """Returns the value unchecked; None if it is absent."""
        return self._value.get(name)

    def violation(self, name: str, rule: str) -> None:
        """Collects that the field breaks the rule, and shows its value."""
        value = self._value.get(name)
        actual = "it is missing" if value is None else f"it is {shown(value)}"
        self._violations.append(f"{self._path}{name}: {rule}; {actual}")

    def text(self, name: str, *, required: bool = False) -> str | None:
        value = self._value.get(name)
        if isinstance(value, str):
            return value
        if value is not None or required:
            self.violation(name, "a string")
        return None

    def name(self, name: str, longest: int) -> str:
        """Returns a required text of 1 to `longest` bytes in UTF-8; "" if it is invalid."""
        value = self._value.get(name)
        if isinstance(value, str) and not _UNSTORABLE.search(value) and 1 <= len(value.encode()) <= longest:
            return value
        self.violation(name, f"a string of 1 to {longest} bytes without U+0000")
        return ""

    def flag(self, name: str) -> bool:
        value = self._value.get(name)
        if value is not None and not isinstance(value, bool):
            self.violation(name, "true or false")
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
        self.violation(name, "a finite number")
        return None

    def integer(self, name: str, default: int, lowest: int, highest: int) -> int:
        """Accepts a float without a fraction, such as 1.0."""
        value = self._value.get(name)
        if value is None:
            return default
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int) or not lowest <= value <= highest:
            self.violation(name, f"an integer from {lowest} to {highest}")
            return default
        return value

    def items(self, name: str) -> list[JsonValue]:
        value = self._value.get(name)
        if value is not None and not isinstance(value, list):
            self.violation(name, "a list")
        return value if isinstance(value, list) else []

    def objects(self, name: str, known: frozenset[str], longest: int) -> "list[ObjectDecoder]":
        """Returns the objects of a list of at most `longest`."""
        items = self.items(name)
        if len(items) > longest:
            self._violations.append(f"{self._path}{name}: at most {longest} objects; it has {len(items)}")
            return []
        decoders = []
        for number, item in enumerate(items):
            place = f"{self._path}{name}.{number}"
            if isinstance(item, dict):
                decoders.append(ObjectDecoder(item, known, self._violations, f"{place}."))
            else:
                self._violations.append(f"{place}: an object; it is {shown(item)}")
        return decoders

    def fields(self, name: str, known: frozenset[str]) -> "ObjectDecoder | None":
        value = self._value.get(name)
        if isinstance(value, dict):
            return ObjectDecoder(value, known, self._violations, f"{self._path}{name}.")
        if value is not None:
            self.violation(name, "an object")
        return None

    def uuid(self, name: str) -> UUID | None:
        value = self._value.get(name)
        if isinstance(value, str) and _UUID.fullmatch(value):
            return UUID(value)
        self.violation(name, "a UUID in its canonical form")
        return None

    def time(self, name: str) -> datetime | None:
        """Returns the time in UTC. Drops digits beyond microseconds: other SDKs send nanoseconds."""
        value = self._value.get(name)
        if isinstance(value, str) and _TIME.fullmatch(value):
            try:
                return datetime.fromisoformat(value.upper()).astimezone(UTC)
            except (ValueError, OverflowError):
                pass
        self.violation(name, _TIME_RULE)
        return None


def shown(value: Any) -> str:
    """Returns a value as an error message shows it: at most MAX_SHOWN characters of a text, all printable."""
    if isinstance(value, list | dict):
        return "a list" if isinstance(value, list) else "an object"
    if isinstance(value, int) and not isinstance(value, bool) and abs(value) > 10**30:
        return "a very large integer"
    cut = value[:MAX_SHOWN] if isinstance(value, str) else value
    return f"{cut!a}{'...' if isinstance(value, str) and len(value) > MAX_SHOWN else ''}"


def _plain(name: str) -> str:
    return name.replace("_", "").replace("-", "").lower()

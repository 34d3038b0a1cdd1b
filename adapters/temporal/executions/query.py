"""Parts of queries in the language of the server's index."""

import re
from collections.abc import Collection
from datetime import UTC, datetime

_LITERAL = re.compile(r"""'(?:[^'\\]|\\.|'')*'|"(?:[^"\\]|\\.|"")*"|`[^`]*`""", re.DOTALL)
_UNMATCHED = re.compile(r"""["\\\x00-\x1f\x7f]""")
"""Characters that the server escapes before it compares, so that no value matches (measured on 1.32 with SQLite)."""


def quoted(text: str) -> str:
    """The text as a string literal, safe for every text. See `matchable`."""
    escaped = text.replace("\\", "\\\\").replace("'", "''")
    return f"'{escaped}'"


def matchable(text: str) -> bool:
    """Whether a comparison with the text can be true."""
    return _UNMATCHED.search(text) is None


def is_closed(query: str) -> bool:
    """Whether the query is a unit between parentheses: it ends none that it has not begun, and no literal stays open.
    The server checks everything else."""
    depth = 0
    for character in _LITERAL.sub("", query):
        depth += (character == "(") - (character == ")")
        if depth < 0 or character in "'\"`":
            return False
    return depth == 0


def time(moment: datetime) -> str:
    """The time as a literal, with microseconds."""
    return quoted(moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"))


def one_of(attribute: str, values: Collection[str]) -> str:
    """A comparison of the attribute with at least one value."""
    return f"{attribute} IN ({', '.join(quoted(value) for value in sorted(values))})"

"""Labels: key-value pairs by which clients filter their operations."""

import re
from collections.abc import Iterator, Mapping

from domain.errors import InvalidInput, Violation

MAX_LABELS = 32
KEY = "[A-Za-z0-9]([A-Za-z0-9_./-]{0,61}[A-Za-z0-9])?"
"""Regular expression for a whole key."""
MAX_VALUE = 255
VALUE = r"[^\x00-\x1f\x7f-\x9f]*"
"""Regular expression for a whole value: any text without control characters."""
_KEY = re.compile(KEY)
_VALUE = re.compile(VALUE)


def check_labels(labels: Mapping[str, str]) -> None:
    """Raises InvalidInput with every label that breaks a rule."""
    violations = label_violations(labels)
    if violations:
        raise InvalidInput.of(violations)


def label_violations(labels: Mapping[str, str]) -> list[Violation]:
    """Returns one violation for each broken rule. Too many labels are one violation, without those of each label."""
    if len(labels) > MAX_LABELS:
        return [Violation(f"at most {MAX_LABELS} labels, not {len(labels)}", "/labels")]
    return [violation for key, value in labels.items() for violation in _violations(key, value)]


def _violations(key: str, value: str) -> Iterator[Violation]:
    pointer = "/labels/" + key.replace("~", "~0").replace("/", "~1")
    if not _KEY.fullmatch(key):
        rule = "1 to 63 letters, digits, '_', '.', '/' and '-', with a letter or a digit at both ends"
        yield Violation(f"label key: {rule}", pointer)
    if len(value) > MAX_VALUE or not _VALUE.fullmatch(value):
        rule = f"at most {MAX_VALUE} characters, none of them a control character"
        yield Violation(f"label value: {rule}", pointer)

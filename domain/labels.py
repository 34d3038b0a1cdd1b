"""Labels: short texts by which clients sort their operations."""

import re
from collections.abc import Mapping

from domain.errors import InvalidInput

MAX_LABELS = 32
KEY = "[A-Za-z0-9]([A-Za-z0-9_./-]{0,61}[A-Za-z0-9])?"
"""A regular expression, for the whole key."""
MAX_VALUE = 255
VALUE = r"[^\x00-\x1f\x7f-\x9f]*"
"""Any text without control characters, as a regular expression for the whole value."""


def check_labels(labels: Mapping[str, str]) -> None:
    """Raises InvalidInput, which names the label and the rule."""
    if len(labels) > MAX_LABELS:
        raise InvalidInput(f"at most {MAX_LABELS} labels, not {len(labels)}", pointer="/labels")
    for key, value in labels.items():
        pointer = "/labels/" + key.replace("~", "~0").replace("/", "~1")
        if not re.fullmatch(KEY, key):
            rule = "1 to 63 letters, digits, '_', '.', '/' and '-', with a letter or a digit at both ends"
            raise InvalidInput(f"a label's key is {rule}", pointer=pointer)
        if len(value) > MAX_VALUE or not re.fullmatch(VALUE, value):
            rule = f"at most {MAX_VALUE} characters, none of them a control character"
            raise InvalidInput(f"a label's value is {rule}", pointer=pointer)

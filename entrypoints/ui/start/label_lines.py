"""Labels as lines of text: KEY=VALUE."""

from collections.abc import Mapping

from domain.errors import Violation
from entrypoints.ui.rendering.words import clip


def read_labels(text: str) -> tuple[dict[str, str], list[Violation]]:
    """The labels, and what is wrong with lines. Spaces around keys and values are not part of them."""
    labels: dict[str, str] = {}
    violations = []
    for number, line in enumerate(text.split("\n"), 1):
        key, sign, value = (part.strip() for part in line.partition("="))
        if not line.strip():
            continue
        if not sign:
            violations.append(Violation(f"labels, line {number}: write a label as key=value", "/labels"))
        elif key in labels:
            violations.append(Violation(f"labels, line {number}: the key {clip(key, 63)} is repeated", "/labels"))
        else:
            labels[key] = value
    return labels, violations


def write_labels(labels: Mapping[str, str]) -> str:
    """The lines of labels."""
    return "\n".join(f"{key}={value}" for key, value in labels.items())

"""The code blocks of the documentation, so that tests run exactly what stands there."""

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def block(page: str, name: str) -> str:
    """The code block of the page behind the mark `<!-- file: name -->`."""
    text = (ROOT / page).read_text()
    found = re.search(rf"<!-- file: {re.escape(name)} -->\n```\w*\n(.*?)```", text, re.DOTALL)
    assert found, f"{page} has no block marked {name}"
    return found.group(1)

"""Examples in the documentation."""

import re
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def example(page: str, name: str) -> str:
    """The code block of the page behind the mark `<!-- test: name -->`."""
    found = re.search(rf"<!-- test: {re.escape(name)} -->\n```\w*\n(.*?)```", (DOCS / page).read_text(), re.S)
    assert found, f"{page} has no block marked {name}"
    return found.group(1)

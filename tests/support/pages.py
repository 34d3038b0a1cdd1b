"""The pages of the documentation: their code blocks, which tests run, their links and their headings."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
_FENCED = re.compile(r"^```.*?^```$", re.M | re.S)
_LINK = re.compile(r"(?<!`)!?\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#{1,6} (.+)$", re.M)
_MARK = re.compile(r"^<!-- test: (.+) -->$", re.M)
_BLOCK = re.compile(
    r"^(?P<before>[^\n]*)\n(?P<indent> *)```(?P<language>\w*)\n(?P<code>.*?)^(?P=indent)```$", re.M | re.S
)
_ACCOUNTED = re.compile(r" *<!-- (test|not run): .+ -->")
WALK_THROUGHS = ("docs/http.md", "docs/bulk.md")
"""Pages whose section "By example" a test runs as a whole."""


def pages() -> list[str]:
    """Every page, as its path from the project's folder."""
    found = [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/**/*.md")]
    return sorted(path.relative_to(ROOT).as_posix() for path in found)


def text(page: str) -> str:
    """The page's text."""
    return (ROOT / page).read_text()


def block(page: str, name: str) -> str:
    """The code block of the page behind the mark `<!-- test: name -->`."""
    found = re.search(rf"<!-- test: {re.escape(name)} -->\n```\w*\n(.*?)```", text(page), re.DOTALL)
    assert found, f"{page} has no block marked {name}"
    return found.group(1)


def section(page: str, heading: str) -> str:
    """What stands between that heading of the second level and the next one."""
    _, found, rest = text(page).partition(f"\n## {heading}\n")
    assert found, f"{page} has no section {heading}"
    return rest.partition("\n## ")[0]


def marks(page: str) -> list[str]:
    """The names of the blocks that tests run."""
    return _MARK.findall(text(page))


def unaccounted(page: str) -> list[str]:
    """Returns the first line of each code block that no test runs, and that has no mark `<!-- not run: reason -->`.
    Blocks of `text` are pictures and output."""
    content = text(page)
    if page in WALK_THROUGHS:
        content = content.replace(section(page, "By example"), "")
    return [
        found["code"].partition("\n")[0]
        for found in _BLOCK.finditer(content)
        if found["language"] != "text" and not _ACCOUNTED.fullmatch(found["before"])
    ]


def links(page: str) -> Iterator[tuple[str, str]]:
    """Each link into this repository: the path from the project's folder, and the anchor or ""."""
    for target in _LINK.findall(_FENCED.sub("", text(page))):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        place = (ROOT / page).parent / path if path else ROOT / page
        yield place.resolve().relative_to(ROOT).as_posix(), anchor


def anchors(page: str) -> set[str]:
    """The anchors that GitHub gives to the page's headings."""
    headings = _HEADING.findall(_FENCED.sub("", text(page)))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}

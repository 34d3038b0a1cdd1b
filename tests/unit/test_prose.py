"""Docs, docstrings, comments and names have no word for which this field has a better one (CONTRIBUTING.md).

Words that also have a right use are not listed: ask, tell, stand, see, nobody, much, at most.
"""

import ast
import io
import re
import tokenize
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.pages import ROOT, pages

CODE = (
    "domain",
    "application",
    "adapters",
    "entrypoints",
    "migrations",
    "sdk",
    "benchmarks",
    "docs",
    "examples",
    "tests",
)
INSTEAD = {
    r"whoever|whomever": "caller, client, owner",
    r"somebody": "caller, client, another process",
    r"wish|wishes|wished": "cancellation request",
    r"told": "informed, received; the API returns",
    r"he|him|his": "the caller, the client",
    r"the way out": "graceful shutdown",
    r"what is asked( for)?": "request",
    r"comes? alone": "a single request",
    r"how it stands": "the operation, its status",
}
"""Words and what to write."""
_BANNED = re.compile(rf"\b({'|'.join(INSTEAD)})\b", re.I)
_WORD_ENDS = re.compile(r"_|(?<=[a-z0-9])(?=[A-Z])")
_SKIPPED = {"node_modules", "__pycache__", ".venv"}


def banned_in(text: str) -> list[str]:
    """Returns the banned words of the text, which may go on in the next line."""
    return [found[0].lower() for found in _BANNED.finditer(" ".join(text.split()))]


def comments(source: str) -> Iterator[str]:
    """Returns each run of comment lines as one text."""
    last, lines = 0, list[str]()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        if token.start[0] != last + 1:
            yield " ".join(lines)
            lines.clear()
        last = token.start[0]
        lines.append(token.string.lstrip("#"))
    yield " ".join(lines)


def docstrings_and_names(source: str) -> Iterator[str]:
    """Returns docstrings, also of fields, and the names of functions and classes, word by word."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Expr(value=ast.Constant(value=str(text))):
                yield text
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield _WORD_ENDS.sub(" ", name)


def sources(folder: str) -> Iterator[Path]:
    """Returns the Python files of the folder."""
    return (path for path in (ROOT / folder).rglob("*.py") if not _SKIPPED.intersection(path.parts))


@pytest.mark.parametrize("folder", CODE)
def test_code_has_no_banned_words(folder: str) -> None:
    """In docstrings, comments and the names of functions and classes."""
    found = {
        str(path.relative_to(ROOT)): words
        for path in sources(folder)
        if (words := banned_in(" \n. ".join([*comments(path.read_text()), *docstrings_and_names(path.read_text())])))
    }
    assert found == {}, INSTEAD


@pytest.mark.parametrize("page", [*pages(), "sdk/README.md"])
def test_pages_have_no_banned_words(page: str) -> None:
    """Also in their examples."""
    assert banned_in((ROOT / page).read_text()) == [], INSTEAD


def test_banned_words_are_found_where_people_read_them() -> None:
    """A comment of two lines, docstrings, also of a field, two names; not a string, and not a part of a word."""
    source = (
        '"""Whoever asks."""\n\n# This is the way\n# out.\nwished_for = "told"\n"""Somebody\'s."""\n\n\n'
        "def test_client_is_told() -> None:\n    pass\n\n\nclass ToldOnce:\n    pass\n"
    )
    read = " \n. ".join([*comments(source), *docstrings_and_names(source)])
    assert banned_in(read) == ["the way out", "whoever", "somebody", "told", "told"]
    assert banned_in("This is tolderol, as in history; the wisher has it.") == []

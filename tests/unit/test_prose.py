"""Docs, docstrings, comments, names and messages have no word for which this field has a better one (CONTRIBUTING.md).

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
PRODUCT = ("domain", "application", "adapters", "entrypoints", "migrations", "sdk")
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
    r"(was|were|is|are) let in": "authenticated, authorized",
    r"(has|have) not given up": "still waits",
    r"(comes?|came) in at the same time": "concurrent requests",
    r"in the words of": "the same response as",
    r"last words": "the last lines of the log",
    r"patiently": "up to a timeout",
}
"""Words and what to write."""
_BANNED_NAMES = frozenset(
    [
        *("BITE", "LAST_ONES", "MOST", "MUCH", "NOBODY", "PATIENCE", "SOON", "STANDINGS", "TURNS"),
        *("Quiet", "Standing", "Straight", "Told", "Wanted", "Wish"),
    ]
)
"""Names of constants and classes. A longer name may contain them."""
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


def messages(source: str) -> Iterator[str]:
    """Returns the string literals of several words: log lines, errors, help, descriptions. Not the docstrings."""
    tree = ast.parse(source)
    docstrings = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        match node:
            case ast.Constant(value=str(text)) if " " in text and id(node) not in docstrings:
                yield text


def banned_names(source: str) -> list[str]:
    """Returns the banned names of classes and constants, with or without a leading underscore."""
    found = []
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.ClassDef(name=name) | ast.Name(id=name, ctx=ast.Store()) if name.lstrip("_") in _BANNED_NAMES:
                found.append(name)
    return found


def template_text(source: str) -> str:
    """Returns a Jinja template without its statements and expressions."""
    return re.sub(r"{%.*?%}|{{.*?}}", " ", source, flags=re.DOTALL)


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


@pytest.mark.parametrize("folder", PRODUCT)
def test_messages_and_names_of_the_product_have_no_banned_words(folder: str) -> None:
    """The strings are those that people see; SQL and paths are read too."""
    found = {
        str(path.relative_to(ROOT)): words
        for path in sources(folder)
        if (words := banned_in(" \n. ".join(messages(path.read_text()))) + banned_names(path.read_text()))
    }
    assert found == {}, INSTEAD


def test_templates_of_the_dashboard_have_no_banned_words() -> None:
    """Their text, attributes and comments."""
    templates = [*(ROOT / "entrypoints/ui/templates").rglob("*.html")]
    assert templates
    found = {path.name: words for path in templates if (words := banned_in(template_text(path.read_text())))}
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


def test_banned_words_are_found_in_messages_names_and_templates() -> None:
    """Not in keys and other strings of one word."""
    source = '"""Told."""\n\nWANTED = log("client %s is told", "told")\nraise E(f"{x} told him")\n_TURNS = 1\n'
    assert banned_in(" . ".join(messages(source))) == ["told", "told", "him"]
    assert banned_names(source + "class Told:\n    pass\n") == ["Told", "_TURNS"]
    assert banned_in(template_text('<p title="told">{{ told }} {% if he %}him{% endif %}</p>')) == ["told", "him"]

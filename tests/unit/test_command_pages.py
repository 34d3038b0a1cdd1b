"""A page for each command, as the code declares it."""

import shlex

import click
import pytest

from docs.generate_commands import command_list, command_pages, commands, examples
from docs.generate_reference import COMMANDS
from tests.support.pages import section

EXAMPLES = [(path, command, line) for path, command in commands() for line in examples(command)]


def test_pages_are_what_the_code_declares() -> None:
    """Each command has one, and there are no others. Where they are not: `make reference`."""
    assert {page.name: page.read_text() for page in COMMANDS.iterdir()} == command_pages()


def test_pages_show_options_with_choices_and_defaults() -> None:
    """Examples are code blocks, not prose."""
    page = (COMMANDS / "keys-create.md").read_text()
    assert "```text\nopledger keys create [OPTIONS]\n```" in page
    assert "| `--scope` | `read`, `submit`, `cancel`, `report`, `admin`; may be repeated | required |" in page
    assert "| `--expires` | `TEXT` | `90d` |" in page
    listed = (COMMANDS / "list.md").read_text()
    assert "```sh\nopledger list --status FAILED --since 2h\n" in listed
    assert "| `-n`, `--limit` |" in listed
    assert "| `--callbacks`, `--no-callbacks` |  | `callbacks` |" in (COMMANDS / "up.md").read_text()


def test_reference_lists_every_command_with_one_line() -> None:
    """As `opledger --help`."""
    lines = section("docs/reference.md", "Commands").strip().splitlines()
    assert lines == [*command_list()]
    assert len(lines) == len(command_pages())
    assert "- [`opledger list`](commands/list.md): List operations, newest first." in lines
    assert [line for line in lines if line.endswith("...")] == []


@pytest.mark.parametrize(("path", "command", "line"), EXAMPLES, ids=[line for _, _, line in EXAMPLES])
def test_examples_are_valid(path: str, command: click.Command, line: str) -> None:
    """The command has their options and takes their values."""
    words = shlex.split(line)
    ends = [words.index(sign) for sign in ("|", ">>") if sign in words]
    called = path.split()
    assert words[: len(called)] == called
    command.make_context(path, words[len(called) : min(ends, default=len(words))])

"""The pages say what the code has: tables, numbers, links, lengths."""

import json
import re
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from adapters.memory.engine.workflow_engine import MemoryWorkflowEngine
from docs.generate_reference import PAGE, reference
from domain.operation.attention import AttentionKind
from entrypoints.http.controllers.stream_tickets import StreamTicketBody
from entrypoints.reports import execution, progress, status_update
from entrypoints.response_bodies import AttentionBody
from entrypoints.settings.operations_file import _Declaration
from entrypoints.settings.settings import Settings
from opledger.wire import LEDGER_TASK_QUEUE, UPDATE_ACTIVITY, UpdateKind, UpdateOutcome
from tests.support.pages import ROOT, anchors, block, links, marks, pages, section, text, unaccounted

REPORTS = "docs/other-languages.md"
PROMISES = "docs/promises.md"
TESTS = {path: path.read_text() for path in ROOT.glob("tests/**/*.py")}


def test_reference_is_what_the_code_declares() -> None:
    """Where it is not: `make reference`."""
    assert PAGE.read_text() == reference()


def test_every_setting_is_in_the_reference() -> None:
    """Under the name that the process reads."""
    named = re.findall(r"^\| `(?:OPLEDGER_(\w+)|DATABASE_URL)` \|", text("docs/reference.md"), re.M)
    assert [name.lower() or "database_url" for name in named] == list(Settings.__struct_fields__)


def test_operation_types_have_the_defaults_of_the_file() -> None:
    """A field is required where `operations.toml` must have it, and a default is written as TOML does."""
    fields = dict(re.findall(r"^\| `([a-z_.]+)` \| (.+?) \|", section("docs/reference.md", "Operation types"), re.M))
    required = {field.name for field in msgspec.structs.fields(_Declaration) if field.required}
    assert {name for name, default in fields.items() if default == "required"} == required
    assert (fields["adopt"], fields["labels"], fields["retry_policy.maximum_attempts"]) == ("`false`", "none", "`0`")


def test_every_field_of_a_report_is_documented() -> None:
    """And no other."""
    rows = re.findall(
        r"^\| `([a-z_.]+)` \| (?:UUID|string|time|integer|object|number|any|boolean|list)", text(REPORTS), re.M
    )
    known = {
        *status_update.UPDATE_FIELDS,
        *(f"error.{name}" for name in status_update.ERROR_FIELDS),
        *(f"progress.{name}" for name in progress.PROGRESS_FIELDS),
        *(f"progress.steps.{name}" for name in progress.STEP_FIELDS),
        *(f"execution.{name}" for name in execution.EXECUTION_FIELDS),
        *(f"execution.parent.{name}" for name in execution.PARENT_FIELDS),
    }
    assert sorted(rows) == sorted(known)


def test_names_of_the_wire_are_documented() -> None:
    """Activity, task queue, kinds and answers."""
    for name in (UPDATE_ACTIVITY, LEDGER_TASK_QUEUE, *UpdateKind, *UpdateOutcome):
        assert f"`{name}`" in text(REPORTS)


def test_settings_of_the_codec_are_documented() -> None:
    """Under the names that the process reads."""
    named = re.findall(r"^\| `OPLEDGER_(\w+)`", text("docs/payloads.md"), re.M)
    assert named == ["DATA_CONVERTER", "CODEC_ENDPOINT", "CODEC_AUTHORIZATION"]
    assert {name.lower() for name in named} <= set(Settings.__struct_fields__)


def test_promises_and_hazards_that_tests_cite_are_listed() -> None:
    """The page has each number once, without a gap."""
    listed = re.findall(r"^\| (P?\d+) \|", text(PROMISES), re.M)
    promises = [name for name in listed if name.startswith("P")]
    hazards = [name for name in listed if not name.startswith("P")]
    assert promises == [f"P{number}" for number in range(1, len(promises) + 1)]
    assert hazards == [str(number) for number in range(1, len(hazards) + 1)]
    cited = {name for code in TESTS.values() for name in re.findall(r"\bP[1-9]\d*\b", code)}
    phrases = [
        phrase for code in TESTS.values() for phrase in re.findall(r"[Hh]azards? (\d+(?:(?:,| and| to) \d+)*)", code)
    ]
    numbers = {number for phrase in phrases for number in re.findall(r"\d+", phrase)}
    assert {"P1", "P4", "P7"} <= cited <= set(promises)
    assert {"2", "23", "34"} <= numbers <= set(hazards)


@pytest.mark.parametrize("page", pages())
def test_links_lead_to_files_and_headings(page: str) -> None:
    """Relative ones; nothing is fetched."""
    for path, anchor in links(page):
        assert (ROOT / path).exists(), f"{page} links to {path}"
        if anchor:
            assert anchor in anchors(path), f"{page} links to {path}#{anchor}; it has {sorted(anchors(path))}"


@pytest.mark.parametrize("page", pages())
def test_paths_that_pages_name_exist(page: str) -> None:
    """In backticks, from the project's folder or the page's; `*` stands for any name."""
    folders = "|".join(path.name for path in ROOT.iterdir() if path.is_dir() and not path.name.startswith("."))
    for path in re.findall(rf"`((?:{folders})/[\w./*-]*)`", text(page)):
        found = [*ROOT.glob(path.rstrip("/")), *(ROOT / page).parent.glob(path.rstrip("/"))]
        assert found, f"{page} names {path}"


def test_metrics_that_pages_name_exist() -> None:
    """As the reference has them."""
    known = set(re.findall(r"^\| `(opledger_\w+)` \|", text("docs/reference.md"), re.M))
    for page in pages():
        assert set(re.findall(r"\bopledger_[a-z_]+", text(page))) <= known, page


@pytest.mark.parametrize("page", pages())
def test_marked_blocks_are_run_by_a_test(page: str) -> None:
    """A test names the page and the block."""
    for name in marks(page):
        runs = [code for code in TESTS.values() if f'"{page}"' in code and f'"{name}"' in code]
        assert runs, f"no test runs the block {name} of {page}"


@pytest.mark.parametrize("page", pages())
def test_every_code_block_is_run_or_says_why_not(page: str) -> None:
    """By a mark `<!-- test: name -->` or `<!-- not run: reason -->` above it, or as part of a walk-through."""
    assert unaccounted(page) == []


def test_an_unmarked_block_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever its indentation and its place."""
    (tmp_path / "page.md").write_text(
        "# Page\n\n```sh\nfirst\n```\n\n<!-- test: a -->\n```sh\nsecond\n```\n"
        "\n1. An item:\n\n   ```yaml\n   third: 1\n   ```\n"
        "\n```text\nfourth\n```\n\n<!-- not run: another server's -->\n```sh\nfifth\n```\n\n```js\nsixth\n```\n"
    )
    monkeypatch.setattr("tests.support.pages.ROOT", tmp_path)
    assert unaccounted("page.md") == ["first", "   third: 1", "sixth"]


def test_shown_answers_have_the_fields_of_the_api() -> None:
    """A ticket, and an attention."""
    ticket, attention = (
        json.loads(block("docs/browsers.md", "ticket")),
        json.loads(block("docs/payloads.md", "attention")),
    )
    assert ticket.keys() == set(StreamTicketBody.__struct_fields__)
    assert attention.keys() == set(AttentionBody.__struct_fields__)
    assert attention["kind"] in set(AttentionKind)


def test_variables_of_the_sign_in_are_settings() -> None:
    """Under the names that the process reads."""
    names = re.findall(r"^export OPLEDGER_(\w+)=", block("docs/access.md", "sign-in"), re.M)
    assert len(names) == 5
    assert {name.lower() for name in names} <= set(Settings.__struct_fields__)


@pytest.mark.parametrize(
    ("page", "lines"),
    [("README.md", 150), *((page, 40) for page in pages() if page.startswith("docs/decisions/"))],
)
def test_pages_are_short(page: str, lines: int) -> None:
    """A page that is read first, or to the end, has a limit."""
    assert len(text(page).splitlines()) <= lines


def test_example_of_the_fakes_prints_what_its_comment_says() -> None:
    """In a process of its own, as a reader runs it."""
    code = block("docs/testing.md", "fakes")
    run = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert (run.stdout.strip(), run.returncode) == (code.strip().rsplit("# ", 1)[1], 0), run.stderr


def test_controls_of_the_fake_engine_exist() -> None:
    """Those that the page names."""
    _, _, named = text("docs/testing.md").partition("The engine's controls")
    controls = re.findall(r"`([a-z_]+)`", named)
    assert len(controls) > 10
    assert all(hasattr(MemoryWorkflowEngine, name) for name in controls), controls

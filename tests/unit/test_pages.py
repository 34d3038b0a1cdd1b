"""The tables of the documentation say what the code has."""

import re

from docs.generate_reference import PAGE, reference
from entrypoints.settings.settings import Settings
from entrypoints.worker import wire_reports
from opledger.wire import LEDGER_TASK_QUEUE, UPDATE_ACTIVITY, UpdateKind, UpdateOutcome
from tests.support.pages import ROOT

REPORTS = "other-languages.md"


def page(name: str) -> str:
    """Its text."""
    return (ROOT / "docs" / name).read_text()


def test_reference_is_what_the_code_declares() -> None:
    """Where it is not: `make reference`."""
    assert PAGE.read_text() == reference()


def test_every_field_of_a_report_is_documented() -> None:
    """And no other."""
    rows = re.findall(
        r"^\| `([a-z_.]+)` \| (?:UUID|string|time|integer|object|number|any|boolean|list)", page(REPORTS), re.M
    )
    known = {
        *wire_reports.UPDATE_FIELDS,
        *(f"error.{name}" for name in wire_reports.ERROR_FIELDS),
        *(f"progress.{name}" for name in wire_reports.PROGRESS_FIELDS),
    }
    assert sorted(rows) == sorted(known)


def test_names_of_the_wire_are_documented() -> None:
    """Activity, task queue, kinds and answers."""
    text = page(REPORTS)
    for name in (UPDATE_ACTIVITY, LEDGER_TASK_QUEUE, *UpdateKind, *UpdateOutcome):
        assert f"`{name}`" in text


def test_settings_of_the_codec_are_documented() -> None:
    """Under the names that the process reads."""
    named = re.findall(r"^\| `OPLEDGER_(\w+)`", page("payloads.md"), re.M)
    assert named == ["DATA_CONVERTER", "CODEC_ENDPOINT", "CODEC_AUTHORIZATION"]
    assert {name.lower() for name in named} <= set(Settings.__struct_fields__)

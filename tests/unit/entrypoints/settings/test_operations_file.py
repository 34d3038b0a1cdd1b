"""The operations file: found, read, and errors that name the place."""

from datetime import timedelta
from pathlib import Path

import pytest

from domain.errors import StartupError, UnknownOperationType
from entrypoints.local.demo_types import DEMO_TYPES
from entrypoints.settings.operations_file import LOCAL, find_operations_file, load_catalogue, operations_file

GOOD = """
[operations.move-data]
workflow = "MoveData"
task_queue = "movers"
execution_timeout = "1h30m"
retry_policy = { maximum_attempts = 3, initial_interval = "2s", non_retryable_error_types = ["Gone"] }
input_schema = { type = "object" }
"""


def test_demo_types() -> None:
    """deploy, commission and release of a machine."""
    assert {declared.name for declared in load_catalogue(DEMO_TYPES)} == {"deploy", "commission", "release"}


def test_a_declaration_is_read(tmp_path: Path) -> None:
    """Type, workflow name, task queue, time-outs, retry policy, schema."""
    path = tmp_path / "operations.toml"
    path.write_text(GOOD)
    declared = load_catalogue(path).get("move-data")
    assert (declared.workflow, declared.task_queue) == ("MoveData", "movers")
    assert declared.execution_timeout == timedelta(hours=1, minutes=30)
    assert declared.retry_policy is not None
    assert declared.retry_policy.maximum_attempts == 3
    assert declared.retry_policy.non_retryable_error_types == ("Gone",)
    with pytest.raises(UnknownOperationType, match="move-data"):
        load_catalogue(path).get("nope")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[operations.a]\ntask_queue = 'q'", "workflow"),
        ("[operations.a]\nworkflow = 'w'\ntask_queue = ''", "task_queue"),
        ("[operations.a]\nworkflow = 'w'\ntask_queue = 'q'\ntimeout = '1s'", "timeout"),
        ("[operations.a]\nworkflow = 'w'\ntask_queue = 'q'\nrun_timeout = 'long'", "duration"),
        ("[operations.'A b']\nworkflow = 'w'\ntask_queue = 'q'", "lower-case"),
        ("[operations", "operations.toml"),
        ("", "operations"),
    ],
)
def test_a_bad_file_is_one_clear_line(text: str, words: str, tmp_path: Path) -> None:
    """It names the file and the place in it."""
    path = tmp_path / "operations.toml"
    path.write_text(text)
    with pytest.raises(StartupError, match=words) as caught:
        load_catalogue(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    """What was asked for is not replaced by a default."""
    with pytest.raises(StartupError, match=r"nowhere\.toml"):
        load_catalogue(operations_file(str(tmp_path / "nowhere.toml")))


def test_without_a_file_the_error_says_how_to_declare_a_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No type is a default: production runs what was declared."""
    monkeypatch.chdir(tmp_path)
    assert find_operations_file(None) is None
    with pytest.raises(StartupError, match=r"no operation type is declared.*OPLEDGER_OPERATIONS.*`opledger init`"):
        operations_file(None)


def test_the_file_in_the_working_folder_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless another one is named."""
    monkeypatch.chdir(tmp_path)
    LOCAL.write_text(GOOD)
    assert operations_file(None) == LOCAL
    assert operations_file("other.toml") == Path("other.toml")

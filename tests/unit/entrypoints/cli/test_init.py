"""`opledger init`: the file that it writes is valid, and so is every setting that it comments out."""

import re
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner

from domain.errors import StartupError
from entrypoints.cli.init import write_operations_file
from entrypoints.cli.main import cli
from entrypoints.settings.operations_file import LOCAL, load_catalogue


def test_the_file_declares_one_type(tmp_path: Path) -> None:
    """With what a type needs, and nothing else."""
    path = tmp_path / "operations.toml"
    write_operations_file(path)
    [declared] = load_catalogue(path)
    assert (declared.name, declared.workflow, declared.task_queue) == ("example", "Example", "example")
    assert (declared.retry_policy, declared.input_schema) == (None, None)


def test_every_commented_setting_is_valid(tmp_path: Path) -> None:
    """Without the comment signs the file declares what the comments say."""
    path = tmp_path / "operations.toml"
    write_operations_file(path)
    path.write_text(re.sub(r"(?m)^# (?=\[|\w+ = )", "", path.read_text()))
    [declared] = load_catalogue(path)
    assert (declared.execution_timeout, declared.run_timeout) == (timedelta(hours=1), timedelta(minutes=30))
    assert declared.task_timeout == timedelta(seconds=10)
    assert declared.description
    assert declared.retry_policy is not None
    assert declared.retry_policy.maximum_attempts == 3
    assert declared.input_schema is not None
    assert declared.input_schema["required"] == ["name"]
    assert "properties" in declared.input_schema


def test_an_existing_file_is_not_overwritten(tmp_path: Path) -> None:
    """Nor is a folder that does not exist made."""
    path = tmp_path / "operations.toml"
    path.write_text("mine")
    with pytest.raises(StartupError, match=r"operations\.toml exists already"):
        write_operations_file(path)
    assert path.read_text() == "mine"
    with pytest.raises(StartupError, match="cannot be written: No such file or directory"):
        write_operations_file(tmp_path / "nowhere" / "operations.toml")


def test_the_command_writes_to_the_working_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And says so."""
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli, ["init"])
    assert (result.exit_code, result.output.split()[0]) == (0, "operations.toml")
    assert load_catalogue(LOCAL)

"""What `opledger doctor` says of the export."""

from pathlib import Path

import pytest

from domain.errors import StartupError
from entrypoints.settings.export import check_export
from entrypoints.settings.settings import Settings


async def test_an_export_that_can_work_is_described(tmp_path: Path) -> None:
    """Without running it: the file is not created."""
    path = tmp_path / "out"
    assert await check_export(Settings()) == "none: what retention deletes is gone"
    assert await check_export(Settings(export_file=str(path))) == f"to the file {path}"
    assert not path.exists()
    assert await check_export(Settings(export_command="sh -c 'exit 1'")) == "to the command sh"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (
            Settings(export_command="no-such-program x"),
            "there is no program no-such-program: nothing is deleted by age",
        ),
        (Settings(export_file="nowhere/out"), "nowhere/out cannot be written: nothing is deleted by age"),
        (Settings(export_file="."), ". cannot be written"),
    ],
)
async def test_an_export_that_cannot_work_is_refused(
    settings: Settings, words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With what is wrong."""
    monkeypatch.chdir(tmp_path)
    with pytest.raises(StartupError, match=words):
        await check_export(settings)

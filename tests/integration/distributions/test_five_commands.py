"""The five commands of README.md in an empty folder: from `pip install` of the wheels to an operation's history."""

import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.support.distributions import UV, Wheels, environment
from tests.support.eventually import wait_until
from tests.support.pages import block
from tests.support.ports import free_port

HEADS = ("ID TYPE ", "TIME STATUS ")
SERVES = "opledger up"
VARIABLE = {
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}": "ID",
    r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\dZ": "TIME",
    r"127\.0\.0\.1:\d+": "ADDRESS",
    r"\b\d+(\.\d+)? ?s\b": "SECONDS",
    r"\S*/\.opledger": "FOLDER",
    r" +": " ",
}


def normal(text: str) -> list[str]:
    """Its lines, without what differs from run to run, and without heads of tables, which only a terminal gets."""
    for pattern, name in VARIABLE.items():
        text = re.sub(pattern, name, text)
    return [line.strip() for line in text.strip().splitlines() if not line.startswith(HEADS)]


def commands() -> list[tuple[str, str]]:
    """Each command of the page, and the output that it shows."""
    _, *parts = re.split(r"^\$ ", block("README.md", "five commands"), flags=re.M)
    return [(part.partition("\n")[0], part.partition("\n")[2]) for part in parts]


@contextmanager
def serving(command: str, folder: Path, variables: dict[str, str]) -> Iterator[Path]:
    """The command in a terminal of its own, once it is ready; its output."""
    output = folder / "up.log"
    with output.open("w") as log:
        process = subprocess.Popen(
            ["bash", "-c", f"exec {command}"], cwd=folder, env=variables, stdout=log, stderr=log, text=True
        )
    try:
        wait_until(lambda: re.search(r"^  data .*\n", output.read_text(), re.M) or process.poll() is not None, command)
        yield output
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 0, output.read_text()


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_five_commands_show_what_the_page_shows(wheels: Wheels, tmp_path: Path) -> None:
    """As a new user runs them. Only that uv plays pip, which takes half a minute, and gets the wheels by its
    environment."""
    variables = environment(
        PATH=f"{Path(sys.base_prefix) / 'bin'}:{os.defpath}",
        UV_CONSTRAINT=str(wheels.constraints()),
        VIRTUAL_ENV=str(tmp_path / "ledger"),
        OPLEDGER_PORT=str(free_port()),
    )

    def shown(command: str) -> str:
        result = subprocess.run(
            ["bash", "-c", command], cwd=tmp_path, env=variables, stdout=-1, stderr=-2, text=True, check=False
        )
        assert result.returncode == 0, result.stdout
        return result.stdout

    make, install, serve, *use = commands()
    assert len(use) == 2
    assert normal(shown(make[0])) == normal(make[1])
    variables["PATH"] = f"{tmp_path / 'ledger/bin'}:{variables['PATH']}"
    assert install[0].startswith("pip install ")
    assert normal(shown(f"{UV} {install[0]}")) == normal(install[1])
    assert serve[0].startswith(SERVES)
    with serving(serve[0], tmp_path, variables) as output:
        assert normal(output.read_text()) == normal(serve[1])
        for command, expected in use:
            assert normal(shown(command)) == normal(expected)

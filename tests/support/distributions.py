"""Wheels of both distributions, and empty environments to install them into."""

import os
import shutil
import subprocess
import sys
import zipfile
from dataclasses import dataclass
from email.message import Message
from email.parser import Parser
from pathlib import Path

from tests.support.pages import ROOT

VERSIONS = ("3.11", "3.12", "3.13", "3.14")
"""Versions of Python that the metadata name."""
FOLDERS = {"opledger": ROOT / "sdk", "opledger-service": ROOT}
UV = Path(sys.executable).with_name("uv")
_OWN = ("PYTHON", "VIRTUAL_ENV", "UV_", "OPLEDGER_", "TEMPORAL_", "DATABASE_URL", "COLUMNS")


def environment(**values: str) -> dict[str, str]:
    """This process's environment, without what belongs to its own virtual environment or to servers."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(_OWN)}
    return {**kept, "UV_NO_CONFIG": "1", "TEMPORAL_CONFIG_FILE": os.devnull, "COLUMNS": "120", **values}


def interpreters() -> dict[str, Path]:
    """The interpreters of this machine, by version: on the path, or under pyenv."""
    found = {}
    for version in VERSIONS:
        pyenv = sorted((Path.home() / ".pyenv/versions").glob(f"{version}.*/bin/python{version}"))
        named = shutil.which(f"python{version}")
        for path in [*([Path(named)] if named else []), *pyenv]:
            if not subprocess.run([path, "-c", "import venv"], capture_output=True, check=False).returncode:
                found[version] = path
                break
    return found


@dataclass(frozen=True)
class Wheels:
    """One wheel of each distribution."""

    folder: Path

    def of(self, distribution: str) -> Path:
        """The wheel's file."""
        (found,) = self.folder.glob(f"{distribution.replace('-', '_')}-*.whl")
        return found

    def metadata(self, distribution: str) -> Message:
        """Its metadata."""
        return Parser().parsestr(self.text(distribution, "METADATA"))

    def text(self, distribution: str, name: str) -> str:
        """A file of its dist-info folder."""
        with zipfile.ZipFile(self.of(distribution)) as wheel:
            (path,) = (one for one in wheel.namelist() if one.endswith(f".dist-info/{name}"))
            return wheel.read(path).decode()

    def files(self, distribution: str) -> list[str]:
        """The paths of its files."""
        with zipfile.ZipFile(self.of(distribution)) as wheel:
            return wheel.namelist()

    def constraints(self) -> Path:
        """A file for uv's `--constraint`: these wheels, and for all others the versions of the lock."""
        path = self.folder / "constraints.txt"
        lock = (ROOT / "requirements/dev.txt").read_text().splitlines()
        pinned = [line.removesuffix(" \\") for line in lock if "==" in line and not line.startswith(" ")]
        own = [f"{name} @ {self.of(name).as_uri()}" for name in FOLDERS]
        path.write_text("\n".join([*own, *pinned]))
        return path


def build(folder: Path) -> Wheels:
    """Builds both wheels."""
    for source in FOLDERS.values():
        command = [sys.executable, "-m", "hatchling", "build", "--target", "wheel", "--directory", str(folder)]
        subprocess.run(command, cwd=source, check=True, capture_output=True)
    return Wheels(folder)


@dataclass(frozen=True)
class Environment:
    """A virtual environment with nothing but what was asked for."""

    folder: Path

    @property
    def bin(self) -> Path:
        """Where its programs are."""
        return self.folder / "bin"

    def run(self, *command: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Runs one of its programs, in the folder of the environment by default."""
        return subprocess.run(
            [str(self.bin / command[0]), *command[1:]],
            cwd=cwd or self.folder,
            env=environment(PATH=f"{self.bin}:{os.defpath}"),
            capture_output=True,
            text=True,
            check=False,
        )

    def python(self, code: str) -> str:
        """What the code prints; for code that fails, the last line of the traceback."""
        result = self.run("python", "-I", "-c", code)
        return result.stdout.strip() if result.returncode == 0 else result.stderr.strip().splitlines()[-1]

    def distributions(self) -> set[str]:
        """Names of what is installed."""
        code = "from importlib.metadata import distributions as all\nprint(*(one.name.lower() for one in all()))"
        return set(self.python(code).split())


def installed(folder: Path, interpreter: Path, wheels: Wheels, *requirements: str) -> Environment:
    """A new environment with these requirements, of which the wheels are taken for both distributions."""
    made = Environment(folder)
    variables = environment()
    subprocess.run([UV, "venv", "-q", "--python", interpreter, folder], check=True, env=variables)
    into = ("--python", str(made.bin / "python"), "--constraint", str(wheels.constraints()))
    install = [str(UV), "pip", "install", "-q", *into, *requirements]
    result = subprocess.run(install, env=variables, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    return made

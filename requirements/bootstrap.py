"""Build the virtual environment from the hash-pinned locks with nothing but the standard library.

Usage: python3 bootstrap.py VENV_DIR
"""

import os
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
MODULES = (
    "entrypoints.serve_api, entrypoints.run_worker, entrypoints.cli.demo, entrypoints.cli.up, "
    "entrypoints.wiring.temporal, adapters.postgres.schema.migrations, adapters.jsonschema.schema_check"
)
"""What `make demo` and `make up` import, at once or later: less than a third of the modules that are installed."""


def fail(message: str) -> None:
    """End with the message."""
    sys.exit(f"opledger: {message}")


def create(venv_dir: Path) -> Path:
    """Make the virtual environment if it is missing or half-made; return its python."""
    bin_dir = venv_dir / ("Scripts" if os.name == "nt" else "bin")
    if not (bin_dir / "pip").exists() and not (bin_dir / "pip.exe").exists():
        command = [sys.executable, "-m", "venv", "--clear", str(venv_dir)]
        made = subprocess.run(command, check=False, capture_output=True, text=True)
        if made.returncode:
            fail(
                "python3 could not make a virtual environment. Install the venv and ensurepip modules of your Python "
                f"(on Debian and Ubuntu: apt-get install python3-venv).\n{made.stdout}{made.stderr}"
            )
    return bin_dir / "python"


def compile_bytecode(python: Path) -> None:
    """Import what the processes import, once. Where the environment forbids to write bytecode, every start of a process
    would compile a thousand modules; elsewhere the first start would compile many of them in each process."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    # The command that needs the environment reports a module that cannot be imported.
    subprocess.run([python, "-c", f"import {MODULES}"], check=False, env=environment, stderr=subprocess.DEVNULL)


def main() -> None:
    """Make or bring up to date the virtual environment that the command line names."""
    if sys.version_info < (3, 11):  # noqa: UP036 - this file is what older ones meet first
        fail(f"Python 3.11 or later is needed, this is {sys.version.split()[0]}; name another with make PYTHON=...")
    venv_dir = Path(sys.argv[1]).resolve()
    python = create(venv_dir)
    uv = python.parent / "uv"
    environment = {**os.environ, "VIRTUAL_ENV": str(venv_dir), "UV_NO_CONFIG": "1"}
    commands: list[list[str | Path]] = [
        [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--require-hashes",
         "-r", HERE / "uv.txt"],
        [uv, "pip", "sync", "--quiet", "--require-hashes", HERE / "dev.txt", HERE / "uv.txt"],
        [uv, "pip", "install", "--quiet", "--no-deps", "--no-build-isolation", "-e", ROOT / "sdk", "-e", ROOT],
    ]  # fmt: skip
    for command in commands:
        if subprocess.run(command, check=False, env=environment).returncode:
            fail(f"setting up {venv_dir.name} failed at: {' '.join(map(str, command[1:4]))} ...")
    compile_bytecode(python)


if __name__ == "__main__":
    main()

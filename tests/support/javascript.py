"""Runs TypeScript and JavaScript with the packages of `tests/javascript/package.json`."""

import asyncio
import shutil
from collections.abc import Collection
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[1] / "javascript"
_MISSING = (
    "tests with JavaScript clients need Node.js 20 or later and the packages of tests/javascript: "
    "npm install --no-package-lock --prefix tests/javascript"
)


def project(folder: Path, *sources: str) -> Path:
    """A folder with these files of `tests/javascript` and its packages. Fails the test where these are missing."""
    if shutil.which("node") is None or not (PROJECT / "node_modules").is_dir():
        pytest.fail(_MISSING)
    for name in ("package.json", "tsconfig.json", *sources):
        shutil.copy(PROJECT / name, folder)
    (folder / "node_modules").symlink_to(PROJECT / "node_modules", target_is_directory=True)
    (folder / "generated").mkdir()
    return folder


async def run(folder: Path, *command: str, accept: Collection[int] = (0,)) -> str:
    """Runs a command to its end and returns what it printed; an AssertionError for another exit code."""
    process = await asyncio.create_subprocess_exec(
        *command, cwd=folder, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE
    )
    try:
        output, errors = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode in accept, f"{command}:\n{output.decode()}{errors.decode()}"
    return output.decode()


async def package(folder: Path, name: str, *arguments: str, accept: Collection[int] = (0,)) -> str:
    """Runs the command of an installed package."""
    return await run(folder, f"node_modules/.bin/{name}", *arguments, accept=accept)

"""Reads files that people write or name: whatever is wrong with one is a StartupError that names it."""

import tomllib
from pathlib import Path
from typing import Any, Final

from domain.errors import StartupError

MAX_BYTES: Final = 1024 * 1024
"""Limit of a configuration file, in bytes."""


def exists(path: Path) -> bool:
    """Whether the file is there. Raises StartupError: it cannot be seen."""
    try:
        path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError) as error:
        raise StartupError(f"{path} cannot be read: {words_of(error)}") from None
    return True


def read(path: Path) -> bytes:
    """The whole file. Raises StartupError: it cannot be read, or is larger than MAX_BYTES."""
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
    except (OSError, ValueError) as error:
        raise StartupError(f"{path} cannot be read: {words_of(error)}") from None
    if len(content) > MAX_BYTES:
        raise StartupError(f"{path} is larger than {MAX_BYTES} bytes")
    return content


def read_toml(path: Path) -> dict[str, Any]:
    """The content of a TOML file. Raises StartupError: it cannot be read, or is not TOML."""
    try:
        return tomllib.loads(read(path).decode("utf-8"))
    except UnicodeDecodeError as error:
        raise StartupError(f"{path} is not UTF-8, from byte {error.start} on") from None
    except ValueError as error:
        raise StartupError(f"{path}: {error}") from None
    except RecursionError:
        raise StartupError(f"{path}: it is nested too deeply") from None


def words_of(error: Exception) -> str:
    """Returns the system's message without error number and path."""
    return error.strerror or type(error).__name__ if isinstance(error, OSError) else str(error)

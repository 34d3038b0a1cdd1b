"""The settings about the export of operations before their deletion."""

import asyncio
import os
import shlex
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

from domain.errors import StartupError


class ExportSettings(Protocol):
    """The settings that are read here."""

    @property
    def export_file(self) -> str | None: ...
    @property
    def export_command(self) -> str | None: ...


def export_arguments(settings: ExportSettings) -> Sequence[str]:
    """Returns the program of the export command and its arguments; none: there is no command. Raises ValueError."""
    if settings.export_command is None:
        return ()
    try:
        arguments = shlex.split(settings.export_command)
    except ValueError as error:
        raise ValueError(f"export_command cannot be split into arguments: {error}") from None
    if not arguments:
        raise ValueError("export_command must name a program")
    return arguments


def check_export_settings(settings: ExportSettings) -> None:
    """Raises ValueError with the setting and the rule."""
    if settings.export_file is not None and settings.export_command is not None:
        raise ValueError("export_file and export_command are both set: set only one of the two")
    export_arguments(settings)


async def check_export(settings: ExportSettings) -> str:
    """Describes the export, without running it. Raises StartupError: it cannot work."""
    return await asyncio.to_thread(_described, settings)


def _described(settings: ExportSettings) -> str:
    if settings.export_file is not None:
        path = Path(settings.export_file)
        if path.is_dir() or not os.access(path if path.exists() else path.parent, os.W_OK):
            raise StartupError(f"export_file: {path} cannot be written: nothing is deleted by age")
        return f"to the file {path}"
    if settings.export_command is not None:
        program = export_arguments(settings)[0]
        if shutil.which(program) is None:
            raise StartupError(f"export_command: there is no program {program}: nothing is deleted by age")
        return f"to the command {program}"
    return "none: what retention deletes is gone"

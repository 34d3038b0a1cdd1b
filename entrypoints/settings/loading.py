"""Loads the settings: defaults < opledger.toml < environment < flags."""

import os
from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec

from domain.errors import StartupError
from entrypoints.files import exists, read_toml
from entrypoints.settings.durations import parse_duration
from entrypoints.settings.settings import Settings

CONFIG_FILE = "opledger.toml"


def load_settings(
    flags: Mapping[str, Any] | None = None, environment: Mapping[str, str] | None = None, directory: Path | None = None
) -> Settings:
    """Returns the settings from flags, environment and file. Raises StartupError with the setting and the rule.

    A flag of None is not set. The file is `opledger.toml` in the directory, or the one that OPLEDGER_CONFIG names.
    """
    environment = os.environ if environment is None else environment
    layers = [_from_file(environment, directory or Path()), _from_environment(environment), _from_flags(flags or {})]
    merged: dict[str, tuple[Any, str]] = {}
    for layer in layers:
        merged.update(layer)
    values = {name: _typed(name, value, origin) for name, (value, origin) in merged.items()}
    try:
        return Settings(**values)
    except ValueError as error:
        raise StartupError(f"settings: {error}") from None


Layer = dict[str, tuple[Any, str]]


def _from_file(environment: Mapping[str, str], directory: Path) -> Layer:
    named = environment.get("OPLEDGER_CONFIG")
    path = Path(named) if named else directory / CONFIG_FILE
    if not named and not exists(path):
        return {}
    content = read_toml(path)
    for name in content:
        if name not in Settings.__struct_fields__:
            raise StartupError(f"{path}: unknown setting {name!r}")
    return {name: (value, f"{path}: {name}") for name, value in content.items()}


def _from_environment(environment: Mapping[str, str]) -> Layer:
    layer: Layer = {}
    for name in Settings.__struct_fields__:
        variable = "DATABASE_URL" if name == "database_url" else f"OPLEDGER_{name.upper()}"
        if environment.get(variable):
            layer[name] = (environment[variable], variable)
    return layer


def _from_flags(flags: Mapping[str, Any]) -> Layer:
    return {name: (value, "--" + name.replace("_", "-")) for name, value in flags.items() if value is not None}


_FIELDS = {field.name: field.type for field in msgspec.structs.fields(Settings)}


def _typed(name: str, value: Any, origin: str) -> Any:
    kind = _FIELDS[name]
    try:
        if kind == timedelta | None and value == "off":
            return None
        if kind in (timedelta, timedelta | None):
            return value if isinstance(value, timedelta) else parse_duration(str(value))
        return msgspec.convert(value, kind, strict=False)
    except ValueError as error:
        raise StartupError(f"{origin}: {error}") from None

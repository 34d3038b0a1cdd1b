"""JSON in options: the input of an operation."""

import json
import math
import shlex
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Final

import click

from opledger._cli.options import LABEL

_MAX_SHOWN: Final = 40
"""Characters of a value that an error repeats."""


class Field(click.ParamType[tuple[str, Any]]):
    """KEY=VALUE. The value is JSON if it can be, else a text."""

    name = "key=value"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> tuple[str, Any]:
        if isinstance(value, tuple):
            return value
        key, text = LABEL.convert(value, param, ctx)
        try:
            return key, parse(text)
        except json.JSONDecodeError:
            return key, text
        except ValueError as error:
            as_text = f"; as a text: {shlex.quote(f'{key}={json.dumps(text)}')}" if len(text) <= _MAX_SHOWN else ""
            self.fail(f"{key}: {error}{as_text}", param, ctx)


FIELD: Final = Field()


def read_input(text: str | None, fields: Iterable[tuple[str, Any]]) -> Any:
    """The input of the options `--input` and `-i`. Raises UsageError."""
    from msgspec import UNSET

    from opledger._submission import json_text

    value: Any = UNSET
    if text is not None:
        try:
            value = parse(_read(text))
        except ValueError as error:
            raise click.UsageError(f"--input is not JSON: {error}") from None
    added = dict(fields)
    if added and value is not UNSET and not isinstance(value, dict):
        raise click.UsageError("-i adds fields to an object; --input is none")
    if added:
        value = {**({} if value is UNSET else value), **added}
    try:
        json_text(None if value is UNSET else value).encode()
    except UnicodeEncodeError:
        raise click.UsageError("the input has a text that is not Unicode") from None
    return value


def parse(text: str) -> Any:
    """The JSON value. Raises JSONDecodeError for invalid JSON, another ValueError for numbers that JSON cannot have
    and for values that are nested too deeply."""
    wrong: list[str] = []

    def constant(name: str) -> None:
        wrong.append(f"{name} is not a JSON number")

    def number(digits: str) -> float:
        value = float(digits)
        if math.isinf(value):
            wrong.append(f"{digits} is too large for a number")
        return value

    try:
        value = json.loads(text, parse_constant=constant, parse_float=number)
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    if wrong:
        raise ValueError(wrong[0])
    return value


def _read(text: str) -> str:
    if text == "-":
        return sys.stdin.read()
    return Path(text[1:]).read_text() if text.startswith("@") else text

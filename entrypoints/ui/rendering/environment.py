"""The template environment. Every value is escaped; a name that is not defined is an error."""

from functools import cache
from pathlib import Path
from typing import Final

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from entrypoints.ui.rendering import json_text, times, words

TEMPLATES: Final = Path(__file__).parents[1] / "templates"


@cache
def environment() -> Environment:
    """The environment of all pages. `filters` are the functions that templates may call on values."""
    made = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.filters |= {
        "ago": times.ago,
        "at_least": words.at_least,
        "clip": words.clip,
        "duration": times.duration,
        "exact": times.exact,
        "gist": json_text.gist,
        "iso": times.iso,
        "percent": words.percent,
        "pretty": json_text.pretty,
        "short_id": words.short_id,
    }
    made.tests.update(missing=json_text.is_missing, null=json_text.is_null)
    made.globals.update(
        ATTENTION=words.ATTENTION,
        ATTENTION_NEXT=words.ATTENTION_NEXT,
        ERROR=words.ERROR,
        ERROR_NEXT=words.ERROR_NEXT,
        ORIGIN=words.ORIGIN,
        SOURCE=words.SOURCE,
        TARGET=words.TARGET,
    )
    return made

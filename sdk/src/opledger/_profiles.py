"""Ledgers under a name, in the user's configuration folder. The clients and the command line share them."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True)
class Profile:
    """A ledger. The key itself is not stored, only where it is."""

    url: str
    api_key_file: str | None = None


def path() -> Path:
    """The file with the profiles: of `OPLEDGER_PROFILES`, else in `XDG_CONFIG_HOME`."""
    named = os.environ.get("OPLEDGER_PROFILES")
    if named:
        return Path(named)
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config") / "opledger" / "profiles.json"


def read() -> dict[str, Profile]:
    """All profiles. Raises ValueError if the file is broken, or cannot be read."""
    try:
        return {name: Profile(**fields) for name, fields in json.loads(path().read_text()).items()}
    except (FileNotFoundError, RuntimeError):  # RuntimeError: the user has no home
        return {}
    except (OSError, ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{path()} is broken: {error}") from None


def write(profiles: dict[str, Profile]) -> None:
    """Replaces the file; it is the user's alone."""
    target = path()
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = target.with_suffix(".tmp")
    temporary.write_text(json.dumps({name: asdict(one) for name, one in sorted(profiles.items())}, indent=2) + "\n")
    temporary.chmod(0o600)
    temporary.replace(target)


def selected(name: str | None) -> Profile | None:
    """The profile of this name, else of `OPLEDGER_PROFILE`, else, without `OPLEDGER_URL`, the one named `default`. None
    if none of them is set.

    Raises ValueError: there is no profile of this name, or the file is broken.
    """
    name = name or os.environ.get("OPLEDGER_PROFILE")
    if not name and os.environ.get("OPLEDGER_URL"):
        return None
    known = read()
    if not name:
        return known.get("default")
    if name not in known:
        others = f"the profiles are: {', '.join(sorted(known))}" if known else "`opledger profile add` makes one"
        raise ValueError(f"there is no profile {name!r}; {others}")
    return known[name]


def read_key(file: str) -> str:
    """The API key in a file. Raises ValueError if it cannot be read."""
    try:
        return Path(file).expanduser().read_text().strip()
    except (OSError, RuntimeError, UnicodeDecodeError) as error:
        raise ValueError(f"the API key cannot be read: {error}") from None

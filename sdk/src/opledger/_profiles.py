"""Ledgers under a name, in the user's configuration folder. The clients and the command line share them."""

import json
import os
import tempfile
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
        return {name: _profile(**fields) for name, fields in json.loads(path().read_text()).items()}
    except (FileNotFoundError, NotADirectoryError, RuntimeError):  # RuntimeError: the user has no home
        return {}
    except OSError as error:
        raise ValueError(f"the profiles cannot be read: {error}") from None
    except (ValueError, TypeError, AttributeError) as error:
        raise ValueError(f"{path()} is broken: {error}") from None


def _profile(url: object, api_key_file: object = None) -> Profile:
    if not (isinstance(url, str) and url):
        raise ValueError("url: required, a text")
    if not (api_key_file is None or (isinstance(api_key_file, str) and api_key_file)):
        raise ValueError("api_key_file: must be a text")
    return Profile(url, api_key_file)


def write(profiles: dict[str, Profile]) -> None:
    """Replaces the file; it is the user's alone."""
    target = path()
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    text = json.dumps({name: asdict(one) for name, one in sorted(profiles.items())}, indent=2) + "\n"
    with tempfile.NamedTemporaryFile("w", dir=target.parent, prefix=target.name, delete=False) as temporary:
        temporary.write(text)
    os.replace(temporary.name, target)


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


def read_key(file: str, named: str = "the API key") -> str:
    """The API key in a file. `named`: what errors call it.

    Raises ValueError if it cannot be read, or is empty: another key must not replace it.
    """
    try:
        key = Path(file).expanduser().read_text().strip()
    except (OSError, RuntimeError, UnicodeDecodeError) as error:
        raise ValueError(f"{named} cannot be read: {error}") from None
    if not key:
        raise ValueError(f"{named} cannot be read: {file} is empty")
    return key

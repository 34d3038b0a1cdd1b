"""Ledgers under a name, in the user's configuration folder."""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

import click


@dataclass(frozen=True)
class Profile:
    """A ledger. The key itself is not stored, only where it is."""

    url: str
    api_key_file: str | None = None


def path() -> Path:
    """The file with the profiles: of `OPLEDGER_PROFILES`, else in `XDG_CONFIG_HOME`."""
    named = os.environ.get("OPLEDGER_PROFILES")
    folder = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    return Path(named) if named else folder / "opledger" / "profiles.json"


def read() -> dict[str, Profile]:
    """All profiles. Raises ClickException if the file is broken."""
    try:
        return {name: Profile(**fields) for name, fields in json.loads(path().read_text()).items()}
    except FileNotFoundError:
        return {}
    except (ValueError, TypeError, AttributeError) as error:
        raise click.ClickException(f"{path()} is broken: {error}") from None


def write(profiles: dict[str, Profile]) -> None:
    """Replaces the file; it is the user's alone."""
    target = path()
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    temporary = target.with_suffix(".tmp")
    temporary.write_text(json.dumps({name: asdict(one) for name, one in sorted(profiles.items())}, indent=2) + "\n")
    temporary.chmod(0o600)
    temporary.replace(target)

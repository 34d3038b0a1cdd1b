"""`opledger profile`."""

from dataclasses import asdict
from pathlib import Path

import click

from opledger import _profiles
from opledger._cli.options import output


@click.group()
def profile() -> None:
    """Give ledgers a name: add, list, remove. The profile `default` is used where nothing else is set."""


@profile.command()
@click.argument("name")
@click.option("--url", required=True, help="Address of the ledger.")
@click.option("--api-key-file", type=click.Path(path_type=Path), help="File with the API key. It is read at each use.")
def add(*, name: str, url: str, api_key_file: Path | None) -> None:
    """Store a ledger under NAME. Replaces a profile of that name."""
    from opledger._address import check_url

    try:
        check_url(url)
    except ValueError as error:
        raise click.UsageError(str(error)) from None
    file = None if api_key_file is None else str(api_key_file.expanduser().absolute())
    _profiles.write({**_read(), name: _profiles.Profile(url, file)})


@profile.command("list")
@output("id")
def list_profiles(*, form: str) -> None:
    """Show the profiles."""
    from opledger._cli.printing import print_rows, print_values

    known = _read()
    if form != "table":
        print_values([{"name": name, **asdict(one)} for name, one in known.items()], form)
        return
    rows = [(name, one.url, one.api_key_file or "") for name, one in known.items()]
    print_rows(("NAME", "URL", "API KEY FILE"), rows)


@profile.command()
@click.argument("name")
def remove(*, name: str) -> None:
    """Remove the profile NAME."""
    known = _read()
    if known.pop(name, None) is None:
        raise click.UsageError(f"there is no profile {name!r}")
    _profiles.write(known)


def _read() -> dict[str, _profiles.Profile]:
    try:
        return _profiles.read()
    except ValueError as error:
        raise click.ClickException(str(error)) from None

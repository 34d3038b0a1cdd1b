"""Finds packages that hide those of opledger-service, which the ledger in memory needs."""

import json
from importlib.metadata import Distribution, packages_distributions
from importlib.util import find_spec
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit
from urllib.request import url2pathname

PACKAGES: Final = ("domain", "application", "adapters", "entrypoints", "migrations")
"""The packages at the top level of opledger-service. They are in one folder."""


def check_names(service: Distribution | None) -> None:
    """Raises ImportError, with their paths, if Python finds other packages first that have these names."""
    places = {name: place for name in PACKAGES if (place := _place(name)) is not None}
    folders = {place.parent for place in places.values()}
    if len(folders) <= 1:
        return
    home = None if service is None else _home(service)
    others = {name: place for name, place in places.items() if home not in folders or place.parent != home}
    shown = ", ".join(f"{name} is {place}" for name, place in others.items())
    raise ImportError(
        f"the ledger in memory needs the packages {', '.join(PACKAGES)} of opledger-service, but {shown}. Move yours "
        "below a package with another name, or test against the ledger where they cannot be imported"
    )


def other_owners() -> str:
    """A sentence about distributions that have overwritten packages of the service. Empty if there are none."""
    installed = packages_distributions()
    several = {name: sorted({*installed.get(name, ())}) for name in PACKAGES}
    shown = ", ".join(f"{name} by {' and '.join(of)}" for name, of in several.items() if len(of) > 1)
    return f". Several distributions have installed packages of the same names: {shown}" if shown else ""


def _place(name: str) -> Path | None:
    """The folder of the package, or the file of a module of that name, that an import would take or has taken."""
    try:
        spec = find_spec(name)
    except ValueError:  # a module that a test has made
        return None
    if spec is None:
        return None
    places = [*(spec.submodule_search_locations or ())] or [spec.origin or ""]
    return Path(places[0]).absolute()


def _home(service: Distribution) -> Path:
    """The folder of the service's packages: where it is installed, or its source if that is installed as editable."""
    origin = json.loads(service.read_text("direct_url.json") or "{}")
    if origin.get("dir_info", {}).get("editable"):
        return Path(url2pathname(urlsplit(origin["url"]).path))
    return Path(str(service.locate_file("")))

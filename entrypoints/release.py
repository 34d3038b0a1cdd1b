"""The release version of the service."""

from functools import cache
from importlib.metadata import version


@cache
def release_version() -> str:
    """Returns the version of the installed package."""
    return version("opledger-service")

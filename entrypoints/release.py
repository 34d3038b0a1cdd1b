"""The release version of the service."""

from functools import cache
from importlib.metadata import version


@cache
def release_version() -> str:
    """As the installed package states it."""
    return version("opledger-service")

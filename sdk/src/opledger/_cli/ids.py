"""Shortened ids: the beginning of an id in place of the whole one."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from opledger import Client

_LENGTH: Final = 36
_CANDIDATES: Final = 5
"""Operations that the error about an ambiguous beginning shows."""


def resolve(ledger: "Client", given: str) -> str:
    """The id that is, or begins with, what was given.

    Raises:
        OperationNotFound: no id begins so.
        UsageError: several do.
    """
    from opledger._cli.printing import row
    from opledger.errors import OperationNotFound

    if len(given) == _LENGTH:
        return given
    found = ledger.page(id_prefix=given, page_size=_CANDIDATES + 1).items
    if not found:
        raise OperationNotFound(404, f"no operation has an id that begins with {given}")
    if len(found) > 1:
        lines = ["  " + "  ".join(row(one)[:4]) for one in found[:_CANDIDATES]]
        more = ["  and more"] if len(found) > _CANDIDATES else []
        text = "\n".join([f"the ids of several operations begin with {given}; give more digits:", *lines, *more])
        raise click.UsageError(text)
    return found[0].id


def resolve_parents(ledger: "Client", filters: Mapping[str, Any]) -> Mapping[str, Any]:
    """The filters with whole ids. Raises as `resolve`."""
    if "parent" not in filters:
        return filters
    return {**filters, "parent": [resolve(ledger, one) for one in filters["parent"]]}

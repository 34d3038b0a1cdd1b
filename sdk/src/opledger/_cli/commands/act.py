"""`opledger cancel`, `retry`, `delete`, `acknowledge` and `keep`."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import click

from opledger._cli.bulk import Selection, act_on_matching, take_selection
from opledger._cli.exit_codes import ExitCode
from opledger._cli.ids import resolve
from opledger._cli.ledger import connect
from opledger._cli.options import OPERATION_ID, connection, output, selection

if TYPE_CHECKING:
    from opledger import Client, Operation


@click.command()
@selection
@click.option("--reason", help="Reason, for the history and the workflow.")
@click.option("--force", is_flag=True, help="Terminate the workflows. They cannot clean up.")
@output()
@connection
def cancel(*, reason: str | None, force: bool, form: str, **options: Any) -> int:
    """Request the cancellation of operations.

    With filters, of all open operations that match: shows how many and the first ones, asks, and waits until it is
    done.

    \b
    opledger cancel -l wave=9 --reason "wrong release"
    """
    chosen = take_selection(options)
    with connect(options) as ledger:
        if chosen.in_bulk:
            return act_on_matching(ledger, "cancel", chosen, form, reason=reason, force=force)
        return _each(ledger, chosen.ids, lambda one: ledger.cancel(one, reason, force=force), form)


@click.command()
@selection
@click.option("--input", "text", metavar="JSON", help="Another input as JSON; @FILE reads a file, - standard input.")
@click.option("--reason", help="Reason, for the history. Only with filters.")
@output()
@connection
def retry(*, text: str | None, reason: str | None, form: str, **options: Any) -> int:
    """Submit finished operations again, each with its own input. Prints the new operations.

    With filters, all finished operations that match, failed or completed: shows how many and the first ones, asks, and
    waits until it is done.

    \b
    opledger retry --error-code TIMED_OUT --since 2h
    """
    from opledger._cli.json_input import read_input

    chosen = take_selection(options)
    if chosen.in_bulk and text is not None:
        raise click.UsageError("--input is for IDs")
    _check_reason(chosen, reason)
    value = read_input(text, ())
    with connect(options) as ledger:
        if chosen.in_bulk:
            return act_on_matching(ledger, "retry", chosen, form, reason=reason)
        return _each(ledger, chosen.ids, lambda one: ledger.retry(one, input=value), form)


@click.command()
@selection
@click.option("--reason", help="Reason, for the input of the action. Only with filters.")
@output()
@connection
def delete(*, reason: str | None, form: str, **options: Any) -> int:
    """Delete finished operations and their history.

    With filters, all finished operations that match: shows how many and the first ones, asks, and waits until it is
    done.

    \b
    opledger delete --status COMPLETED --finished-before 30d
    """
    chosen = take_selection(options)
    _check_reason(chosen, reason)
    with connect(options) as ledger:
        if chosen.in_bulk:
            return act_on_matching(ledger, "delete", chosen, form, reason=reason)
        return _each(ledger, chosen.ids, ledger.delete, form)


@click.command()
@selection
@click.option("--reason", help="Reason, for the history.")
@output()
@connection
def acknowledge(*, reason: str | None, form: str, **options: Any) -> int:
    """Clear the attention of operations until a new problem occurs.

    With filters, of all operations that match and need attention: shows how many and the first ones, asks, and waits
    until it is done.

    \b
    opledger acknowledge --attention NO_WORKER --reason maintenance
    """
    chosen = take_selection(options)
    with connect(options) as ledger:
        if chosen.in_bulk:
            return act_on_matching(ledger, "acknowledge", chosen, form, reason=reason)
        return _each(ledger, chosen.ids, lambda one: ledger.acknowledge(one, reason), form)


@click.command()
@click.argument("ids", type=OPERATION_ID, nargs=-1, required=True, metavar="ID...")
@click.option("--off", is_flag=True, help="Keep them no longer.")
@output()
@connection
def keep(*, ids: Sequence[str], off: bool, form: str, **options: Any) -> int:
    """Keep operations: retention does not delete them."""
    with connect(options) as ledger:
        return _each(ledger, ids, lambda one: ledger.keep(one, keep=not off), form)


def _check_reason(chosen: Selection, reason: str | None) -> None:
    """Raises UsageError for a reason without filters: the call for one operation has none."""
    if reason is not None and not chosen.in_bulk:
        raise click.UsageError("--reason is for filters: this command has no reason for single operations")


def _each(ledger: "Client", ids: Sequence[str], act: "Callable[[str], Operation | None]", form: str) -> int:
    """Acts on each operation; a refused one does not stop the others. Returns the exit code. Raises UsageError before
    it acts, if the beginning of an id is ambiguous."""
    from opledger._cli.printing import one_by_one
    from opledger.errors import Conflict, InvalidRequest, OperationNotFound

    code = ExitCode.OK
    known: dict[str, str | OperationNotFound] = {}
    for text in ids:
        try:
            known[text] = resolve(ledger, text)
        except OperationNotFound as error:
            known[text] = error
    with one_by_one(form) as show:
        for text, found in known.items():
            try:
                if isinstance(found, OperationNotFound):
                    raise found
                made = act(found)
                if made is not None:
                    show(made)
            except (Conflict, InvalidRequest, OperationNotFound) as error:
                click.echo(f"opledger: {text}: {error}", err=True)
                missing = isinstance(error, OperationNotFound) and code is not ExitCode.ERROR
                code = ExitCode.NOT_FOUND if missing else ExitCode.ERROR
    return code

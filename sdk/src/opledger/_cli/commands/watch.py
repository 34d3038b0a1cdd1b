"""`opledger watch`."""

import sys
from typing import Any

import click

from opledger._cli.exit_codes import ExitCode
from opledger._cli.ids import resolve, resolve_parents
from opledger._cli.ledger import connect
from opledger._cli.options import OPERATION_ID, chosen, connection, filters, output


@click.command()
@click.argument("operation_id", type=OPERATION_ID, metavar="[ID]", required=False)
@filters
@output("json")
@connection
def watch(*, operation_id: str | None, form: str, **options: Any) -> int:
    """Follow an operation until it is done, or all operations that match the filters, until Ctrl-C.

    In a terminal the operations are a live table. Elsewhere, each change is a line.
    """
    from opledger._cli.live import follow_all, follow_one

    given = chosen(options)
    if operation_id is not None and given:
        raise click.UsageError("give an ID or filters, not both")
    try:
        with connect(options) as ledger:
            if operation_id is not None:
                return follow_one(ledger, resolve(ledger, operation_id), form)
            follow_all(ledger, resolve_parents(ledger, given), form)
    except KeyboardInterrupt:
        if operation_id is not None:
            print("opledger: interrupted; the operation goes on", file=sys.stderr)
        return ExitCode.INTERRUPTED
    return ExitCode.OK

"""`opledger start`."""

import sys
from typing import Any

import click

from opledger._cli.ids import resolve
from opledger._cli.json_input import FIELD, read_input
from opledger._cli.ledger import connect
from opledger._cli.options import DURATION, HEADER, LABEL, OPERATION_ID, connection, output


@click.command()
@click.argument("type")
@click.option("--input", "text", metavar="JSON", help="Input as JSON; @FILE reads a file, - standard input.")
@click.option("-i", "fields", type=FIELD, multiple=True, help="A field of the input; JSON if it can be, else a text.")
@click.option("-l", "--label", "labels", type=LABEL, multiple=True, help="A label; may be repeated.")
@click.option("--idempotency-key", type=HEADER, help="The same key and submission again give the first operation.")
@click.option("--parent", "parent_id", type=OPERATION_ID, help="Operation on whose behalf this one is started.")
@click.option("--delay", type=DURATION, help="Start the workflow after this time, such as 1h30m.")
@click.option("--keep", is_flag=True, help="Retention does not delete the operation.")
@click.option("--wait", is_flag=True, help="Wait until the operation is done; the exit code says how it ended.")
@output()
@connection
def start(*, type: str, text: str | None, fields: tuple[Any, ...], wait: bool, form: str, **options: Any) -> int:  # noqa: A002
    """Submit an operation of TYPE.

    \b
    opledger start deploy -i machine=m1 -i seconds=600 --wait
    opledger start deploy --input @deploy.json --label team=infra
    """
    from datetime import timedelta

    from opledger._cli.commands.wait import wait_for
    from opledger._cli.printing import print_operations, print_value

    delay, labels = options.pop("delay"), dict(options.pop("labels"))
    parent_id = options.pop("parent_id")
    with connect(options) as ledger:
        made = ledger.submit(
            type,
            read_input(text, fields),
            labels=labels,
            parent_id=None if parent_id is None else resolve(ledger, parent_id),
            delay=None if delay is None else timedelta(seconds=delay),
            **options,
        )
        if wait:
            print(made.id, file=sys.stderr)
            return wait_for(ledger, [made.id], form="jsonl" if form == "json" else form)
        if form == "json":
            print_value(made, form)
        else:
            print_operations([made], form)
        return 0

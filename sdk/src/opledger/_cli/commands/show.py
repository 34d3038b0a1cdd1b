"""`opledger list`, `get`, `history`, `targets`, `counts`, `durations` and `types`."""

import sys
from typing import Any

import click

from opledger._cli.ids import resolve, resolve_parents
from opledger._cli.ledger import connect
from opledger._cli.options import MOMENT, OPERATION_ID, chosen, connection, filters, output


@click.command("list")
@filters
@click.option(
    "--order",
    type=click.Choice(["-accepted_at", "accepted_at", "-finished_at", "finished_at"]),
    help="Sort order; newest first if unset.",
)
@click.option("-n", "--limit", type=click.IntRange(1, sys.maxsize), help="Maximum number of operations.")
@output()
@connection
def list_operations(*, order: str | None, limit: int | None, form: str, **options: Any) -> None:
    """List operations, newest first. An operation is listed if it matches every filter.

    \b
    opledger list --status FAILED --since 2h
    opledger list -l team=infra -o id | xargs opledger cancel
    """
    from itertools import islice

    from opledger._cli.printing import print_operations

    given = chosen(options)
    with connect(options) as ledger:
        size = 200 if limit is None else min(limit, 200)
        listed = ledger.list(order=order, page_size=size, **resolve_parents(ledger, given))
        print_operations(islice(listed, limit), form)


@click.command()
@click.argument("operation_id", type=OPERATION_ID, metavar="ID")
@output()
@connection
def get(*, operation_id: str, form: str, **options: Any) -> None:
    """Show an operation: what went wrong, why the ledger believes it, and what to do next."""
    from opledger._cli.describe import describe
    from opledger._cli.printing import print_value, print_values

    with connect(options) as ledger:
        operation = ledger.get(resolve(ledger, operation_id))
        if form == "id":
            print_values([operation], form)
        elif form != "table":
            print_value(operation, form)
        else:
            describe(operation, ledger.history(operation.id))


@click.command()
@click.argument("operation_id", type=OPERATION_ID, metavar="ID")
@output("id")
@connection
def history(*, operation_id: str, form: str, **options: Any) -> None:
    """Show every transition of an operation, oldest first."""
    from opledger._cli.printing import one_line, print_rows, print_values

    with connect(options) as ledger:
        lines = ledger.history(resolve(ledger, operation_id))
    if form != "table":
        print_values(lines, form)
    else:
        rows = [
            (f"{line.at:%Y-%m-%d %H:%M:%SZ}", line.to_status, line.source, line.actor or "", one_line(line.reason))
            for line in lines
        ]
        print_rows(("TIME", "STATUS", "SOURCE", "ACTOR", "REASON"), rows)


@click.command()
@click.argument("operation_id", type=OPERATION_ID, metavar="ID")
@click.option(
    "--outcome",
    multiple=True,
    type=click.Choice(["PENDING", "DONE", "SKIPPED", "FAILED"], case_sensitive=False),
    help="With this outcome; may be repeated.",
)
@output()
@connection
def targets(*, operation_id: str, outcome: tuple[str, ...], form: str, **options: Any) -> None:
    """Show what a bulk action did to each operation. `-o id` prints those with the outcome DONE, unless `--outcome`
    selects others.

    \b
    opledger targets 01a227c6 --outcome SKIPPED --outcome FAILED
    """
    from opledger._cli.bulk import DONE, print_targets

    selected = outcome or (DONE if form == "id" else None)
    with connect(options) as ledger:
        print_targets(ledger.targets(resolve(ledger, operation_id), outcome=selected), form)


@click.command()
@click.argument("type")
@click.option("--since", "finished_after", type=MOMENT, help="Finished after this time, or since 2h, for example.")
@click.option("--before", "finished_before", type=MOMENT, help="Finished before this time.")
@output("id")
@connection
def durations(*, type: str, finished_after: Any, finished_before: Any, form: str, **options: Any) -> None:  # noqa: A002
    """Show how long the operations of TYPE ran: percentiles, by default of the last 24 hours."""
    from opledger._cli.printing import print_rows, print_value, seconds

    with connect(options) as ledger:
        found = ledger.durations(type, finished_after=finished_after, finished_before=finished_before)
    if form != "table":
        print_value(found, form)
        return
    rows = [
        (
            str(status),
            f"{one.count}{'+' if one.sampled else ''}",
            *map(seconds, (one.p50, one.p90, one.p95, one.p99, one.max)),
        )
        for status, one in found.by_status.items()
    ]
    print_rows(("STATUS", "COUNT", "P50", "P90", "P95", "P99", "MAX"), rows)


@click.command()
@output("id")
@connection
def counts(*, form: str, **options: Any) -> None:
    """Count the operations by type and status."""
    from opledger._cli.options import STATUSES
    from opledger._cli.printing import print_rows, print_value

    with connect(options) as ledger:
        numbers = ledger.counts()
    if form != "table":
        print_value(numbers, form)
        return
    by_name = {name: {str(status): many for status, many in found.items()} for name, found in numbers.by_type.items()}
    total = {str(status): many for status, many in numbers.by_status.items()}
    rows = [(name, *(str(found.get(one, 0)) for one in STATUSES)) for name, found in [*by_name.items(), ("all", total)]]
    print_rows(("TYPE", *STATUSES), rows)


@click.command()
@output("id")
@connection
def types(*, form: str, **options: Any) -> None:
    """Show the declared operation types."""
    from opledger._cli.printing import one_line, print_rows, print_values

    with connect(options) as ledger:
        declared = ledger.types()
    if form != "table":
        print_values(declared, form)
        return
    rows = []
    for one in declared:
        fields = (one.input_schema or {}).get("properties", {})
        rows.append((one.name, ", ".join(fields) if fields else "any JSON", one_line(one.description)))
    print_rows(("TYPE", "INPUT", "DESCRIPTION"), rows)

"""Acts on all operations that match filters: a dry run, a question, the action, and what it did."""

import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import click

from opledger._cli.exit_codes import ExitCode
from opledger._cli.ids import resolve_parents
from opledger._cli.options import chosen

if TYPE_CHECKING:
    from opledger import Client, DryRun, Operation, Target
    from opledger._client.bulk import BulkVerb

DONE: Final = ("DONE",)
"""Outcome of an operation to which the verb was applied."""
_LEFT: Final = ("PENDING", "SKIPPED", "FAILED")


@dataclass(frozen=True)
class Selection:
    """The operations that a command acts on: ids, or filters."""

    ids: Sequence[str]
    filters: Mapping[str, Any]
    all: bool
    dry_run: bool
    yes: bool

    @property
    def in_bulk(self) -> bool:
        """Whether filters select the operations."""
        return not self.ids


def take_selection(options: dict[str, Any]) -> Selection:
    """Takes the options of `selection` out of a command's options. Raises UsageError."""
    given = Selection(
        options.pop("ids"), chosen(options), options.pop("all_of_them"), options.pop("dry_run"), options.pop("yes")
    )
    if given.ids and (given.filters or given.all):
        raise click.UsageError("give IDs or filters, not both")
    if given.all and given.filters:
        raise click.UsageError("--all selects every operation; give it without filters")
    if given.ids and given.dry_run:
        raise click.UsageError("--dry-run is for filters")
    if given.in_bulk and not given.filters and not given.all:
        raise click.UsageError("give IDs, filters, or --all for every operation")
    if given.in_bulk and not (given.dry_run or given.yes or _can_ask()):
        raise click.UsageError("without a terminal, give --yes, or --dry-run to see the operations")
    return given


def act_on_matching(
    ledger: "Client",
    verb: "BulkVerb",
    selection: Selection,
    form: str,
    *,
    reason: str | None = None,
    force: bool = False,
) -> int:
    """Shows what matches, asks, acts, and prints what was done. Returns the exit code."""
    found = ledger.dry_run(verb, all=selection.all, **resolve_parents(ledger, selection.filters))
    if selection.dry_run:
        _print_found(found, form)
        return ExitCode.OK
    if not found.matching:
        print("opledger: no operation matches", file=sys.stderr)
        print_targets((), form)
        return ExitCode.OK
    if not selection.yes:
        _show_found(found)
        if not click.confirm(f"{verb.capitalize()} {_operations(found.matching)}?", err=True):
            print("opledger: nothing was done", file=sys.stderr)
            return ExitCode.ERROR
    action = ledger.confirm(found, reason, force=force)
    print(f"opledger: the action is operation {action.id}", file=sys.stderr)
    try:
        done = _finished(ledger, action)
    except KeyboardInterrupt:
        print(f"opledger: interrupted; the action goes on. To stop it: opledger cancel {action.id}", file=sys.stderr)
        return ExitCode.INTERRUPTED
    if done.error is not None:
        print(f"opledger: {action.id}: {done.error.code}: {done.error.message}", file=sys.stderr)
    if isinstance(done.result, dict) and form == "table":
        print(", ".join(f"{done.result.get(name, 0)} {name}" for name in ("done", "skipped", "failed")))
    shown = {"id": DONE, "table": _LEFT}.get(form)
    print_targets(ledger.targets(action.id, outcome=shown), form)
    if done.error is not None:
        return ExitCode.OPERATION_FAILED
    return ExitCode.ERROR if isinstance(done.result, dict) and done.result.get("failed") else ExitCode.OK


def print_targets(targets: "Iterable[Target]", form: str) -> None:
    """Prints the outcome of each operation. A table without operations has no titles."""
    from opledger._cli.printing import one_line, print_rows, print_values

    if form in {"json", "jsonl"}:
        print_values(targets, form)
    elif form == "id":
        for one in targets:
            print(one.new_operation_id or one.operation_id)
    else:
        rows = (
            (one.operation_id, one.outcome, one.code or "", one.new_operation_id or one_line(one.message or ""))
            for one in targets
        )
        first = next(rows, None)
        if first is not None:
            print_rows(("ID", "OUTCOME", "CODE", "WHAT"), chain([first], rows))


def _finished(ledger: "Client", action: "Operation") -> "Operation":
    """Waits for the action, with its progress on standard error if that is a terminal."""
    from opledger._cli.bars import bars

    with bars([action.id]) as shown:
        [done] = ledger.as_completed([action.id], None, shown.show)
    return done


def _print_found(found: "DryRun", form: str) -> None:
    """The result of --dry-run: on standard output."""
    from opledger._cli.printing import print_operations

    _say_found(found)
    print_operations(found.sample, form)


def _show_found(found: "DryRun") -> None:
    """What the question is about: on standard error."""
    from opledger._cli.printing import print_table

    _say_found(found)
    if found.sample:
        print_table(found.sample, stderr=True)


def _say_found(found: "DryRun") -> None:
    shown = f", the first {len(found.sample)}" if found.matching > len(found.sample) else ""
    print(f"{_operations(found.matching)} to {found.verb}{shown}:", file=sys.stderr)


def _operations(number: int) -> str:
    return "1 operation" if number == 1 else f"{number} operations"


def _can_ask() -> bool:
    return sys.stdin.isatty() and sys.stderr.isatty()

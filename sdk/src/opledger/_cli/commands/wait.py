"""`opledger wait`."""

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from opledger._cli.exit_codes import ExitCode
from opledger._cli.ids import resolve
from opledger._cli.ledger import connect
from opledger._cli.options import DURATION, OPERATION_ID, connection, output

if TYPE_CHECKING:
    from opledger import Client


@click.command()
@click.argument("ids", type=OPERATION_ID, nargs=-1, required=True, metavar="ID...")
@click.option("--any", "any_one", is_flag=True, help="End with the first that is done.")
@click.option("--for", "patience", type=DURATION, help="Wait at most so long, such as 10m. Exit code 124 then.")
@output()
@connection
def wait(*, ids: Sequence[str], any_one: bool, patience: float | None, form: str, **options: Any) -> int:
    """Wait until operations are done, and print each one as it ends.

    Exit code 0: all have completed. 3: one has failed. 124: the time is over. 130: interrupted. Operations go on when
    the wait ends.
    """

    with connect(options) as ledger:
        return wait_for(ledger, [resolve(ledger, one) for one in ids], form=form, any_one=any_one, patience=patience)


def wait_for(
    ledger: "Client", ids: Sequence[str], *, form: str, any_one: bool = False, patience: float | None = None
) -> int:
    """Waits, with progress on standard error if that is a terminal. Returns the exit code."""
    from opledger._cli.bars import bars
    from opledger._cli.printing import one_by_one

    code = ExitCode.OK
    with one_by_one(form) as show:
        try:
            with bars(ids) as shown:
                for done in ledger.as_completed(ids, patience, shown.show):
                    with shown.hidden():
                        show(done)
                    if done.error is not None:
                        code = ExitCode.OPERATION_FAILED
                    if any_one:
                        break
        except KeyboardInterrupt:
            print("opledger: interrupted; the operations go on", file=sys.stderr)
            return ExitCode.INTERRUPTED
        except TimeoutError as error:
            print(f"opledger: {error}", file=sys.stderr)
            return ExitCode.TIMED_OUT
    return code

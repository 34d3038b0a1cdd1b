"""The demo's report: the outcome of every operation, and the time until the ledger had it."""

from dataclasses import dataclass
from statistics import median

from rich.console import Console
from rich.table import Table

from entrypoints.local.demo.plan import Job
from entrypoints.local.demo.terminations import Terminations


@dataclass(frozen=True)
class Ending:
    """The end of one operation in the ledger and in Temporal."""

    job: Job
    operation_id: str
    status: str
    error_code: str | None
    lag: float | None
    """Seconds from the close in Temporal to the row; None if the execution or the operation is open."""

    @property
    def right(self) -> bool:
        """Whether status and error code are as expected."""
        return (self.status, self.error_code) == self.job.expected


def verdict(endings: list[Ending], terminations: Terminations, console: Console, *, pushed: bool) -> bool:
    """Prints the table and the times. Returns whether every outcome is as expected. `pushed`: callbacks are on."""
    table = Table(box=None)
    for heading in ("machine", "type", "what happened to it", "status", "error code", "close to ledger", ""):
        table.add_column(heading, no_wrap=True, justify="right" if heading.startswith("close") else "left")
    for ending in endings:
        lag = "" if ending.lag is None else f"{ending.lag * 1000:,.0f} ms"
        mark = "[green]ok[/]" if ending.right else f"[bold red]expected {ending.job.expected}[/]"
        job = ending.job
        table.add_row(job.machine, job.type, job.fate, ending.status, ending.error_code or "", lag, mark)
    console.print(table)
    lags = [ending.lag for ending in endings if ending.lag is not None]
    if lags:
        waiting = "" if pushed else " (a termination from outside waits for the next reconciliation)"
        times = f"median {median(lags) * 1000:,.0f} ms, longest {max(lags) * 1000:,.0f} ms"
        console.print(f"Time from close to ledger: {times}{waiting}.")
    console.print(terminations.words)
    wrong = [ending for ending in endings if not ending.right]
    console.print(f"{len(endings) - len(wrong)} of {len(endings)} operations have the expected outcome.")
    return not wrong and terminations.right

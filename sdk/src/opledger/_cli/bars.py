"""Progress of a wait, on standard error."""

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from rich.progress import Progress

    from opledger import Operation

_MANY: Final = 10
"""Operations that have a bar each; more of them share one."""


class Bars:
    """The bars of operations."""

    def __init__(self, progress: "Progress | None", show: "Callable[[Operation], None]") -> None:
        self._progress = progress
        self.show = show
        """Shows a change of an operation."""

    @contextmanager
    def hidden(self) -> Iterator[None]:
        """Takes the bars away while something else is printed, which may go to the same terminal."""
        if self._progress is None:
            yield
            return
        self._progress.stop()
        try:
            yield
            sys.stdout.flush()
        finally:
            self._progress.start()


@contextmanager
def bars(ids: Sequence[str]) -> Iterator[Bars]:
    """Yields the bars. There are none where standard error is no terminal."""
    if not sys.stderr.isatty():
        yield Bars(None, lambda _: None)
        return
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    from opledger._cli.printing import console

    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TaskProgressColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[gist]}", markup=False),
    )
    # Standard output is not redirected: its data would go to standard error.
    progress = Progress(
        *columns, console=console(stderr=True), transient=True, redirect_stdout=False, redirect_stderr=False
    )
    with progress:
        yield Bars(progress, (_together if len(ids) > _MANY else _each)(progress, ids))


def _together(progress: "Progress", ids: Sequence[str]) -> "Callable[[Operation], None]":
    everything = progress.add_task(f"{len(ids)} operations", total=len(ids), gist="")
    left = set(ids)

    def count(operation: "Operation") -> None:
        if operation.done:
            left.discard(operation.id)
        progress.update(everything, completed=len(ids) - len(left), gist=f"{len(left)} left")

    return count


def _each(progress: "Progress", ids: Sequence[str]) -> "Callable[[Operation], None]":
    from opledger._cli.printing import gist, length_that_tells_apart

    length = length_that_tells_apart(ids)
    tasks = {one: progress.add_task(one[:length], total=None, gist="") for one in ids}

    def show(operation: "Operation") -> None:
        task = tasks[operation.id]
        if operation.done:
            progress.update(task, visible=False)
            return
        share = operation.progress.fraction if operation.progress is not None else None
        progress.update(
            task,
            description=f"{operation.type} {operation.id[:length]} {operation.status}",
            total=None if share is None else 1.0,
            completed=share or 0.0,
            gist=gist(operation),
        )

    return show

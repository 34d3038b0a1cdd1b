"""Shows the demo's operations while they run: a live table on a terminal, plain lines elsewhere."""

from collections.abc import Iterable
from typing import Any, Protocol

from rich.console import Console
from rich.live import Live
from rich.table import Table

COLOURS = {"ACCEPTED": "yellow", "RUNNING": "cyan", "COMPLETED": "green", "FAILED": "red"}
Shown = dict[str, Any]
"""An operation as the API returns it, with the demo's `machine` and `fate`."""


class Watcher(Protocol):
    """Shows the states of all operations, and messages."""

    def show(self, operations: Iterable[Shown]) -> None: ...

    def say(self, message: str) -> None: ...


class LiveTable:
    """A live table, for a terminal."""

    def __init__(self, live: Live) -> None:
        self._live = live

    def show(self, operations: Iterable[Shown]) -> None:
        table = Table("machine", "type", "status", "progress", "error", "what happens to it", expand=False)
        for shown in operations:
            status = shown["status"]
            colour = COLOURS[status]
            table.add_row(
                shown["machine"], shown["type"], f"[{colour}]{status}[/]", progress(shown), code(shown), shown["fate"]
            )
        self._live.update(table)

    def say(self, message: str) -> None:
        self._live.console.print(message)


class PlainLines:
    """A line for each change of status, for a log."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._seen: dict[str, str] = {}

    def show(self, operations: Iterable[Shown]) -> None:
        for shown in operations:
            if self._seen.get(shown["id"]) != shown["status"]:
                self._seen[shown["id"]] = shown["status"]
                self.say(f"{shown['machine']} {shown['type']:<10} {shown['status']:<9} {code(shown)}".rstrip())

    def say(self, message: str) -> None:
        self._console.print(message, markup=False, highlight=False)


def code(shown: Shown) -> str:
    """Returns the error's code; empty if there is no error."""
    return shown["error"]["code"] if shown["error"] else ""


def progress(shown: Shown) -> str:
    """Returns the progress of a running operation as a text."""
    if shown["status"] != "RUNNING" or not shown["progress"]:
        return ""
    fraction, message = shown["progress"]["fraction"], shown["progress"]["message"]
    return f"{fraction:4.0%} {message}" if fraction is not None else message or ""

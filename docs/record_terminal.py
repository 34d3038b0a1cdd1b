"""Records `opledger wait` and `opledger watch` as docs/images/wait.svg and watch.svg: `make recording`.

Starts `opledger up` in a temporary folder, submits operations of the demo, and runs the commands in a terminal.
"""

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import tempfile
import termios
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.text import Text

from docs.draw_demo import FONT, THEME
from opledger import Client

IMAGES: Final = Path(__file__).parent / "images"
_OPLEDGER: Final = str(Path(sys.executable).with_name("opledger"))
_COLUMNS, _ROWS = 96, 12
_LINE, _CHARACTER, _MARGIN = 20, 8.43, 16
"""Pixels."""
_SECONDS_BETWEEN: Final = 0.7
_LAST_SECONDS: Final = 3.0
"""For which the last screen stays."""
_SEQUENCE: Final = re.compile(r"\x1b\[(\??[0-9;]*)([A-Za-z])|(\r)|(\n)")
_BEGUN: Final = re.compile(r"\x1b(\[[?0-9;]*)?$")
"""A sequence whose end is missing."""
Frame = tuple[float, tuple[str, ...]]
"""Seconds from the beginning, and the lines of the screen, with colours as ANSI sequences."""


class Screen:
    """A terminal that understands what rich writes: moves up, erasures of whole lines, and text."""

    def __init__(self) -> None:
        self._lines = [""]
        self._row = 0
        self._cut = ""

    def write(self, text: str) -> None:
        """Takes output of a program. A sequence may be cut in two."""
        text = self._cut + text
        begun = _BEGUN.search(text)
        self._cut = "" if begun is None else begun.group()
        text = text.removesuffix(self._cut)
        place = 0
        for found in _SEQUENCE.finditer(text):
            self._lines[self._row] += text[place : found.start()]
            place = found.end()
            code, kind, carriage_return, line_feed = found.groups()
            if line_feed:
                self._row += 1
                self._lines += [""] * (self._row + 1 - len(self._lines))
            elif kind == "A":
                self._row = max(0, self._row - int(code or 1))
            elif kind == "K":
                self._lines[self._row] = ""
            elif kind == "m":
                self._lines[self._row] += found.group()
            elif carriage_return:
                pass  # what follows is an erasure or a line feed
        self._lines[self._row] += text[place:]

    @property
    def lines(self) -> tuple[str, ...]:
        """What it shows."""
        return tuple(self._lines)


def frames(chunks: Sequence[tuple[float, str]]) -> list[Frame]:
    """The screens of a recording, a few of them in a second: the last one of each interval, and the last of all."""
    screen, made = Screen(), list[Frame]()
    for at, text in chunks:
        screen.write(text)
        if made and at - made[-1][0] < _SECONDS_BETWEEN:
            made[-1] = (made[-1][0], screen.lines)
        elif not made or made[-1][1] != screen.lines:
            made.append((at, screen.lines))
    return made


def drawing(command: str, recorded: Sequence[Frame]) -> str:
    """The frames as an animated picture. It uses the reader's fonts, and fetches none."""
    total = recorded[-1][0] + _LAST_SECONDS
    height = _LINE * (1 + max(len(lines) for _, lines in recorded)) + 2 * _MARGIN
    width = round(_CHARACTER * _COLUMNS + 2 * _MARGIN)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="{FONT}" font-size="14">',
        f"<title>{escape(command)}</title>",
        f'<rect width="100%" height="100%" rx="8" fill="{THEME.background_color.hex}"/>',
        _row(f"\x1b[1m$ {command}\x1b[0m", 0),
    ]
    ends = [at for at, _ in recorded[1:]] + [total]
    for (at, lines), end in zip(recorded, ends, strict=True):
        times, values = f"0;{at / total:.4f};{end / total:.4f};1", "hidden;visible;hidden;hidden"
        if end == total:
            times, values = f"0;{at / total:.4f};1", "hidden;visible;visible"
        animation = f'<animate attributeName="visibility" calcMode="discrete" dur="{total:.1f}s"'
        shown = "visible" if end == total else "hidden"  # where animations do not run
        parts.append(
            f'<g visibility="{shown}">{animation} keyTimes="{times}" values="{values}" repeatCount="indefinite"/>'
        )
        parts += [_row(line, place) for place, line in enumerate(lines, 1) if line.strip()]
        parts.append("</g>")
    return "\n".join([*parts, "</svg>\n"])


def _row(line: str, place: int) -> str:
    console = Console(file=sys.stderr, width=200)
    spans, column = "", 0
    for text, style, _ in Text.from_ansi(line).render(console):
        color = style.color.get_truecolor(THEME).hex if style and style.color else THEME.foreground_color.hex
        weight = ' font-weight="bold"' if style and style.bold else ""
        if text.strip():
            x = _MARGIN + column * _CHARACTER
            spans += f'<tspan x="{x:.1f}" fill="{color}"{weight}>{escape(text)}</tspan>'
        column += len(text)
    return f'<text xml:space="preserve" y="{_MARGIN + _LINE * (place + 0.75):.1f}">{spans}</text>'


def record(command: Sequence[str], environment: dict[str, str], seconds: float) -> list[tuple[float, str]]:
    """What a command writes to a terminal, and when. It is interrupted after so many seconds."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (_ROWS, _COLUMNS))
    settings = {**environment, "TERM": "xterm-256color"}
    process = subprocess.Popen(command, stdin=theirs, stdout=theirs, stderr=theirs, env=settings)
    os.close(theirs)
    begin, chunks = time.monotonic(), list[tuple[float, str]]()
    pending = b""
    while True:
        left = begin + seconds - time.monotonic()
        if left <= 0:
            process.send_signal(signal.SIGINT)
            break
        if select.select([ours], [], [], left)[0]:
            try:
                pending += os.read(ours, 65536)
            except OSError:  # the program has ended
                break
            whole = pending.decode(errors="ignore")
            pending = b"" if whole.encode() == pending else pending
            if not pending:
                chunks.append((time.monotonic() - begin, whole))
    process.wait()
    os.close(ours)
    return chunks


@contextmanager
def _ledger() -> Iterator[dict[str, str]]:
    """A ledger with the demo's types; yields the environment of commands that use it."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("OPLEDGER_", "TEMPORAL_"))}
    with tempfile.TemporaryDirectory(prefix="opledger-recording-") as folder:
        up = [_OPLEDGER, "up", "--data-dir", f"{folder}/data", "--port", "0"]
        process = subprocess.Popen(up, cwd=folder, env=kept, stderr=subprocess.PIPE, text=True)
        try:
            assert process.stderr is not None
            if not any("is ready after" in line for line in process.stderr):
                raise SystemExit("`opledger up` ended before it was ready")
            url = json.loads(Path(folder, "data", "run.json").read_text())["api_url"]
            yield {**kept, "OPLEDGER_URL": url, "COLUMNS": str(_COLUMNS)}
        finally:
            process.send_signal(signal.SIGINT)
            process.wait()


def _start(environment: dict[str, str], *jobs: tuple[str, float, str]) -> list[str]:
    """Submits jobs of the demo: machine, seconds, outcome. Returns their ids, shortened to the time in them."""
    fields = ("machine", "seconds", "outcome")
    with Client(environment["OPLEDGER_URL"]) as ledger:
        return [ledger.submit("deploy", dict(zip(fields, job, strict=True))).id[:13] for job in jobs]


def main() -> None:
    """Records, and writes the pictures."""
    with _ledger() as environment:
        ids = _start(environment, *((f"m{number}", 4.0 + 3 * number, "success") for number in (1, 2, 3)))
        recorded = record([_OPLEDGER, "wait", *ids], environment, 60)
        (IMAGES / "wait.svg").write_text(drawing(f"opledger wait {' '.join(ids)}", frames(recorded)))
        _start(environment, ("m4", 7, "success"), ("m5", 9, "failure"), ("m6", 12, "success"))
        recorded = record([_OPLEDGER, "watch", "--type", "deploy"], environment, 15)
        (IMAGES / "watch.svg").write_text(drawing("opledger watch --type deploy", frames(recorded)))


if __name__ == "__main__":
    main()

"""Draws the end of the demo as docs/images/demo.svg: `make demo | .venv/bin/python -m docs.draw_demo`."""

import io
import re
import sys
from pathlib import Path
from typing import Final

from rich.console import Console
from rich.terminal_theme import TerminalTheme
from rich.text import Text

PICTURE: Final = Path(__file__).parent / "images" / "demo.svg"
FIRST_WORDS: Final = ("machine", "type", "what")
"""The head of the last table."""
LAST_WORDS: Final = "operations have the expected"
FONT: Final = "ui-monospace, SFMono-Regular, Menlo, Consolas, monospace"
THEME: Final = TerminalTheme(
    (13, 17, 23),
    (230, 237, 243),
    [
        (72, 79, 88),
        (255, 123, 114),
        (63, 185, 80),
        (210, 153, 34),
        (88, 166, 255),
        (188, 140, 255),
        (57, 197, 207),
        (177, 186, 196),
    ],
    [
        (110, 118, 129),
        (255, 161, 152),
        (86, 211, 100),
        (227, 179, 65),
        (121, 192, 255),
        (210, 168, 255),
        (86, 212, 221),
        (255, 255, 255),
    ],
)


def ending(output: str) -> str:
    """What the demo prints from its last table on. Raises ValueError: there is none."""
    lines = output.splitlines()
    heads = [n for n, line in enumerate(lines) if tuple(line.split()[:3]) == FIRST_WORDS]
    ends = [n for n, line in enumerate(lines) if LAST_WORDS in line]
    if not heads or not ends:
        raise ValueError("the demo did not come to its end")
    return "\n".join(line.rstrip() for line in lines[heads[-1] : ends[-1] + 1])


def drawing(words: str) -> str:
    """The text as SVG, in a terminal's colours, as wide as the table. It uses the reader's fonts, and fetches none."""
    text = Text(words)
    text.highlight_regex(r"(?m)^ machine.*$", "bold")
    text.highlight_regex(r"(?m)(?<= )ok$", "green")
    width = max(len(line) for line in words.splitlines() if line.startswith(" ")) + 2
    console = Console(record=True, width=width, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(text, highlight=False)
    svg = console.export_svg(title="make demo", theme=THEME)
    svg = re.sub(r"@font-face \{.*?\}\s*", "", svg, flags=re.S)
    return re.sub(r"font-family: [^;]+;", f"font-family: {FONT};", svg)


def main() -> None:
    """Read the demo's output from standard input, and write the picture."""
    PICTURE.parent.mkdir(exist_ok=True)
    PICTURE.write_text(drawing(ending(sys.stdin.read())))


if __name__ == "__main__":
    main()

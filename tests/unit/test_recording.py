"""The recordings of docs/command-line.md: what a terminal shows, and the picture of it."""

import sys
from xml.etree import ElementTree

from docs.record_terminal import IMAGES, drawing, frames, record

UP_AND_ERASE = "\r\x1b[2K\x1b[1A\x1b[2K"


def test_screen_is_what_a_terminal_shows() -> None:
    """Bars are drawn over those before, and taken away while a line is printed."""
    chunks = [
        (0.0, "\x1b[?25l\r\x1b[2Kone 10%\r\ntwo  0%"),
        (1.0, f"{UP_AND_ERASE}one 60%\r\ntwo 20%"),
        (2.0, "\r\x1b[2K\x1b"),
        (2.1, "[1A\x1b[2Kone done\r\n\r\x1b[2Ktwo 40%\x1b[?25h"),
    ]
    assert frames(chunks) == [
        (0.0, ("one 10%", "two  0%")),
        (1.0, ("one 60%", "two 20%")),
        (2.0, ("one done", "two 40%")),
    ]


def test_frames_are_a_few_in_a_second_and_end_with_the_last() -> None:
    """So that the picture stays small."""
    made = frames([(number / 100, f"\r\x1b[2K{number}") for number in range(100)])
    assert len(made) == 2
    assert made[-1][1] == ("99",)


def test_each_frame_is_shown_for_its_time() -> None:
    """In turn. Where animations do not run, the last one is shown."""
    picture = ElementTree.fromstring(drawing("opledger wait <id>", [(0.0, ("a & b",)), (1.0, ("\x1b[31mc\x1b[0m",))]))
    groups = picture.findall("{*}g")
    assert [group.get("visibility") for group in groups] == ["hidden", "visible"]
    times = [group[0].get("keyTimes") for group in groups]
    assert times == ["0;0.0000;0.2500;1", "0;0.2500;1"]
    assert ["".join(group.itertext()).strip() for group in groups] == ["a & b", "c"]


def test_record_keeps_what_a_program_writes_to_its_terminal() -> None:
    """Until it ends, or is interrupted."""
    program = "import sys; print(sys.stdout.isatty(), flush=True); sys.stdin.read()"
    recorded = record([sys.executable, "-c", program], {}, 5)
    assert "".join(text for _, text in recorded).startswith("True\r\n")


def test_pictures_show_every_outcome() -> None:
    """They are recordings of the commands: `make recording`."""
    for name, words in (("wait", ["COMPLETED", "RUNNING", "%"]), ("watch", ["FAILED", "RUNNING", "COMPLETED"])):
        shown = "".join(ElementTree.parse(IMAGES / f"{name}.svg").getroot().itertext())
        assert all(word in shown for word in words)

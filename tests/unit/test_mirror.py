"""The unit tests mirror the source tree: each is in the folder of what it tests."""

from collections.abc import Collection
from pathlib import Path, PurePath

import pytest

ROOT = Path(__file__).resolve().parents[2]
UNIT = ROOT / "tests" / "unit"
SOURCES = {name: name for name in ("domain", "application", "adapters", "entrypoints")} | {"sdk": "sdk/src/opledger"}
"""Folder of the tests, and folder of the source."""
EXCEPTIONS = {
    ".": "tests of the repository itself: layers, pages, packaging, helpers",
    "chaos": "tests of the checker of tests/chaos, which is no product code",
}


def places(root: Path) -> set[PurePath]:
    """The packages and modules of the source tree, named as the tests name them: without leading underscores."""
    found: set[PurePath] = set()
    for name, source in SOURCES.items():
        for file in (root / source).rglob("*.py"):
            parts = file.relative_to(root / source).with_suffix("").parts
            folder = PurePath(name, *(part.lstrip("_") for part in parts[:-1]))
            found |= {folder, *([] if file.stem == "__init__" else [folder / file.stem.lstrip("_")])}
    return found


def mirroring(unit: Path) -> list[PurePath]:
    """The tests that have to mirror the source tree, relative to the folder of the unit tests."""
    found = sorted(file.relative_to(unit) for file in unit.rglob("test_*.py"))
    return [test for test in found if str(test.parent) not in EXCEPTIONS]


def misplaced(test: PurePath, known: Collection[PurePath]) -> str | None:
    """Returns why the test is in the wrong folder; None if it is in the right one. A folder may also have the name of
    a module that has many tests, and a test the name of a package."""
    folder, name = test.parent, test.stem.removeprefix("test_")
    if folder not in known:
        return f"there is no {folder}"
    depth = min(len(folder.parts), 2)  # a name may be used again in another room of the layer
    named = {place for place in known if place.name == name and place.parts[:depth] == folder.parts[:depth]}
    if named and not any(folder in (place, place.parent) for place in named):
        return f"it has the name of {', '.join(sorted(map(str, named)))}"
    return None


def test_every_unit_test_is_in_the_folder_of_what_it_tests() -> None:
    known = places(ROOT)
    assert {str(test): reason for test in mirroring(UNIT) if (reason := misplaced(test, known))} == {}


def test_exceptions_have_tests() -> None:
    assert [folder for folder in EXCEPTIONS if not [*(UNIT / folder).glob("**/test_*.py")]] == []


@pytest.mark.parametrize(
    ("test", "reason"),
    [
        ("adapters/sql/connection/test_pool.py", None),
        ("adapters/sql/test_pool.py", "it has the name of adapters/sql/connection/pool"),
        ("adapters/test_pool.py", "it has the name of adapters/sql/connection/pool"),
        ("adapters/sql/test_connection.py", None),
        ("adapters/mongo/test_pool.py", "there is no adapters/mongo"),
        ("domain/order/test_late.py", None),
        ("domain/test_outages.py", None),
        ("sdk/client/test_retries.py", None),
        ("sdk/test_retries.py", "it has the name of sdk/client/retries"),
    ],
)
def test_a_misplaced_test_is_found(test: str, reason: str | None, tmp_path: Path) -> None:
    sources = ("adapters/sql/connection/pool.py", "domain/order.py", "sdk/src/opledger/_client/_retries.py")
    for file in (*sources, "adapters/__init__.py", "adapters/sql/__init__.py", "sdk/src/opledger/wire.py"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    assert misplaced(PurePath(test), places(tmp_path)) == reason

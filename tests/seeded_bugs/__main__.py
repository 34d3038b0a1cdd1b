"""`python -m tests.seeded_bugs [NAME ...]`: plants each bug and hunts it; exit code 0 if all were caught."""

import argparse
import sys

from tests.seeded_bugs.bug import Bug, Detector
from tests.seeded_bugs.bugs import BUGS
from tests.seeded_bugs.hunt import Hunted, hunt

WORDS = 150


def main() -> int:
    """Hunt all, or those that are named."""
    parser = argparse.ArgumentParser(prog="python -m tests.seeded_bugs", description=__doc__)
    parser.add_argument("names", nargs="*", metavar="NAME", help=", ".join(bug.name for bug in BUGS))
    parser.add_argument("--list", action="store_true", help="say what there is, and hunt nothing")
    options = parser.parse_args()
    if unknown := set(options.names) - {bug.name for bug in BUGS}:
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    chosen = [bug for bug in BUGS if not options.names or bug.name in options.names]
    if options.list:
        for bug in chosen:
            print(f"{bug.name:24} {bug.detector!s:11} {bug.breaks}")
        return 0
    healthy = _false_alarms(list(dict.fromkeys(bug.detector for bug in chosen)))
    hunted = [(bug, _hunt(bug)) for bug in chosen] if healthy else []
    _print_table(hunted)
    return 0 if healthy and all(_caught(found) for _, found in hunted) else 1


def _false_alarms(detectors: list[Detector]) -> bool:
    """A detector that sees bugs where there are none catches everything: each first looks at the project as it is."""
    passed = []
    for detector in detectors:
        found = hunt(None, detector)
        passed.append(found.passed)
        print(f"no bug: {detector} {'passed' if found.passed else 'ALARM'} in {found.seconds:.0f} s", flush=True)
        if not found.passed:
            print(found.last_words, flush=True)
    return all(passed)


def _hunt(bug: Bug) -> Hunted:
    found = hunt(bug, bug.detector)
    word = "caught" if _caught(found) else "ESCAPED"
    print(f"{bug.name}: {word} by the {bug.detector} in {found.seconds:.0f} s", flush=True)
    if not _caught(found):
        print(found.last_words, flush=True)
    return found


def _caught(found: Hunted) -> bool:
    """A detector that broke down has seen nothing."""
    return not found.passed and bool(found.violations)


def _print_table(hunted: list[tuple[Bug, Hunted]]) -> None:
    print(f"\n{'bug':24}  {'caught by':10}  {'s':>4}  what it breaks, and what was seen")
    for bug, found in hunted:
        by = str(bug.detector) if _caught(found) else "NOBODY"
        print(f"{bug.name:24}  {by:10}  {found.seconds:4.0f}  {bug.breaks}")
        more = f" (and {len(found.violations) - 1} more)" if len(found.violations) > 1 else ""
        print(f"{'':44}{found.violations[0][:WORDS] if found.violations else '-'}{more}")
    caught = sum(_caught(found) for _, found in hunted)
    print(f"\n{caught} of {len(hunted)} caught, in {sum(found.seconds for _, found in hunted):.0f} s", flush=True)


if __name__ == "__main__":
    sys.exit(main())

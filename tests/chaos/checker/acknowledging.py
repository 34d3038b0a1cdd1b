"""P9 and P10: a bulk acknowledgement takes away the problems that its dry run counted, and no other."""

from collections import Counter
from collections.abc import Iterator, Sequence

from tests.chaos.checker.facts import BulkOrder, Facts, Line, Row, Violation

ACKNOWLEDGED = "acknowledged "
"""How the line of an acknowledgement begins, before the kind of the problem and the reason."""
BEGINNINGS = {"STALLED": "stalled: ", "NO_WORKER": "no worker: ", "ACTIVITY_RETRYING": "activity retrying: "}
"""How the line of a problem begins, by its kind; of DIVERGED see `attention_of`."""
CONTRADICTION = ("the operation is ", ", but its execution ")


def acknowledgements(facts: Facts) -> Iterator[Violation]:
    """Every acknowledgement in a history belongs to a bulk action, and every one of a bulk action is in a history."""
    orders = {order.reason: action_id for action_id, order in facts.bulk.items() if order.verb == "acknowledge"}
    done = {
        (action_id, target.operation_id)
        for action_id in orders.values()
        for target in facts.targets.get(action_id, ())
        if target.outcome == "DONE"
    }
    found: Counter[tuple[str, str]] = Counter()
    for operation_id, lines in facts.lines.items():
        for line in filter(is_acknowledgement, lines):
            kind, _, reason = line.reason.removeprefix(ACKNOWLEDGED).partition(": ")
            action_id = orders.get(reason)
            if action_id is None:
                yield Violation(operation_id, "P10", "no acknowledgement that nobody confirmed", line.reason)
                continue
            found[(action_id, operation_id)] += 1
            yield from _counted(operation_id, kind, line, lines, facts.bulk[action_id])
    for pair in found.keys() | done:
        (action_id, operation_id), wanted = pair, int(pair in done)
        if operation_id in facts.rows and found[pair] != wanted:
            yield Violation(operation_id, "P10", f"{wanted} acknowledgements by {action_id}", str(found[pair]))
    for row in facts.rows.values():
        yield from _stored(row, facts.lines.get(row.id, ()))


def is_acknowledgement(line: Line, kind: str = "") -> bool:
    """Whether the line takes a problem away; with `kind`, one of that kind."""
    return line.reason.startswith(ACKNOWLEDGED + kind)


def attention_of(line: Line) -> str | None:
    """The kind of the problem that the line tells of."""
    if line.reason.startswith(CONTRADICTION[0]) and CONTRADICTION[1] in line.reason:
        return "DIVERGED"
    return next((kind for kind, words in BEGINNINGS.items() if line.reason.startswith(words)), None)


def _counted(operation_id: str, kind: str, line: Line, lines: Sequence[Line], order: BulkOrder) -> Iterator[Violation]:
    """The problem was there when the response to the dry run came, and was not acknowledged before."""
    last = _last([one for one in lines if one.sequence < line.sequence])
    if last is None or attention_of(last) != kind:
        yield Violation(operation_id, "P10", f"a problem {kind} before its acknowledgement", _shown(last))
    elif order.counted is not None and last.at > order.counted:
        yield Violation(operation_id, "P10", f"no acknowledgement of what is newer than {order.counted}", str(last.at))


def _stored(row: Row, lines: Sequence[Line]) -> Iterator[Violation]:
    """What the row shows as acknowledged is what the last acknowledgement took away."""
    if row.acknowledged is None:
        return
    kind, last = row.acknowledged["kind"], _last(lines)
    if row.attention_kind is not None:
        yield Violation(row.id, "P9", "an attention or an acknowledged problem", f"{row.attention_kind} and {kind}")
    if last is None or not last.reason.startswith(f"{ACKNOWLEDGED}{kind}"):
        yield Violation(row.id, "P10", f"an acknowledgement of {kind}, and no later problem", _shown(last))


def _last(lines: Sequence[Line]) -> Line | None:
    """The last line that tells of a problem, or takes one away."""
    return next((line for line in reversed(lines) if attention_of(line) or is_acknowledgement(line)), None)


def _shown(line: Line | None) -> str:
    return "none" if line is None else line.reason

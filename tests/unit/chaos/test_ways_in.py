"""The fault campaign's checker knows what others start, and what submissions do to those with their workflow id."""

import dataclasses
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.chaos.checker.check import check
from tests.chaos.checker.facts import Declared, End, Facts, Line, Order, ReceivedId, Row, Run, Submission
from tests.chaos.checker.identity import adopted_id

BEGAN = datetime(2026, 1, 1, tzinfo=UTC)
DECLARED = Declared(
    {"Watched": {"": "default"}, "Chosen": {"chosen-": "default"}},
    frozenset({"plugged"}),
    frozenset({"asked"}),
    {"one": "reject", "shared": "use_existing", "latest": "terminate"},
    dict.fromkeys(("one", "shared", "latest"), "Named"),
)


def at(seconds: float) -> datetime:
    """A time of the story."""
    return BEGAN + timedelta(seconds=seconds)


def lines(end: str | None, second: float) -> list[Line]:
    """A history that ends so, or not."""
    moves = [(None, "ACCEPTED", 0.0), ("ACCEPTED", "RUNNING", 1.0), *([("RUNNING", end, second)] if end else [])]
    return [
        Line(number, before, after, "CONFIRMATION", "as it happened", at(when))
        for number, (before, after, when) in enumerate(moves, start=1)
    ]


def run(workflow_id: str, run_id: str, **changes: Any) -> Run:
    """A run of a watched type, of one chain with itself, that completed at 4."""
    end = End("COMPLETED", at(4), result="1")
    made = Run(workflow_id, run_id, run_id, at(1), end=end, workflow_type="Watched", task_queue="team", input="{}")
    return dataclasses.replace(made, **changes)


def adopted(one: Run, **changes: Any) -> Row:
    """The true row of the run."""
    row_id = adopted_id("default", one.workflow_id, one.first_run_id)
    row = Row(row_id, "COMPLETED", 3, at(0), at(1), at(4), result="1", origin="ADOPTED", type="watched", input="{}")
    return dataclasses.replace(row, workflow_id=one.workflow_id, first_run_id=one.first_run_id, **changes)


def found(*rows: Row, runs: tuple[Run, ...], **others: Any) -> set[str]:
    """What is held against these rows, each by the first words."""
    stored = [(f"key {row.id}", row.id) for row in rows if row.origin == "LEDGER"]
    facts = Facts(
        rows={row.id: row for row in rows},
        lines={row.id: lines(row.status if row.finished_at else None, 5) for row in rows},
        runs=runs,
        stored_keys=stored,
        answers={key: frozenset({row_id}) for key, row_id in stored},
        declared=DECLARED,
    )
    return {f"{one.promise} {one.expected}" for one in check(dataclasses.replace(facts, **others)).violations}


WATCHED = run("w", "r1")
ROW = adopted(WATCHED)
PASSED_OVER = run("another-1", "r1", workflow_type="Chosen")
"""Its type has a watch rule, whose query does not select it."""
PARENT = run("p", "p1")
CHILD = run("c", "c1", parent=("p", "p1"))
SUBMITTED = run("s", "s1", operation_id="op", workflow_type="Plugged", task_queue="plugged")
OF_SUBMITTED = Row(
    "op", "COMPLETED", 3, at(0), at(1), at(4), "1", workflow_id="s", first_run_id="s1", type="plugged", input="{}"
)
CHILD_OF_SUBMITTED = run("c", "c1", parent=("s", "s1"), task_queue="plugged", workflow_type="Plugged")


def test_true_stories_are_not_held_against_the_ledger() -> None:
    """Each execution with its row, or without where nothing asks for one."""
    stranger = run("x", "x1", workflow_type="Stranger")
    assert (
        found(ROW, runs=(WATCHED, stranger), received_ids=[ReceivedId(ROW.id, "w"), ReceivedId(ROW.id, "w", "r1")])
        == set()
    )
    assert found(adopted(PARENT), adopted(CHILD, parent_id=adopted(PARENT).id), runs=(PARENT, CHILD)) == set()
    assert found(adopted(CHILD), adopted(PARENT), runs=(PARENT, CHILD)) == set(), "the child was adopted first"
    in_plugged = dataclasses.replace(PARENT, workflow_type="Plugged", task_queue="plugged")
    early = adopted(CHILD, parent_id=adopted(PARENT).id)
    assert found(early, runs=(in_plugged, CHILD)) == set(), "the parent's report was lost"
    child = adopted(CHILD_OF_SUBMITTED, parent_id="op")
    assert found(OF_SUBMITTED, child, runs=(SUBMITTED, CHILD_OF_SUBMITTED)) == set()
    assert found(runs=(WATCHED,), deleted={"w": [at(2)]}) == set()
    chosen = run("chosen-1", "r1", workflow_type="Chosen")
    assert found(adopted(chosen), runs=(chosen, PASSED_OVER)) == set()
    of_parent = dataclasses.replace(OF_SUBMITTED, parent_id="x")
    assert found(of_parent, runs=(SUBMITTED,), parents={"op": "x"}) == set()
    asked = run("asked", "a1", workflow_type="Called")
    assert found(adopted(asked), runs=(asked,)) == set()


@pytest.mark.parametrize(
    ("promise", "rows", "runs", "others"),
    [
        ("P1 a row for the watched execution", (), (WATCHED,), {}),
        (
            "P1 a row for the id that a client received",
            (ROW,),
            (WATCHED,),
            {"received_ids": [ReceivedId("another", "w")]},
        ),
        ("P1 the workflow id v", (ROW,), (WATCHED,), {"received_ids": [ReceivedId(ROW.id, "v")]}),
        (
            "P1 the client's execution",
            (ROW, adopted(run("w", "r2"))),
            (WATCHED, run("w", "r2")),
            {"received_ids": [ReceivedId(ROW.id, "w", "r2")]},
        ),
        (
            "P8 no adoption that nobody asked for",
            (adopted(run("w", "r1", workflow_type="Stranger")),),
            (run("w", "r1", workflow_type="Stranger"),),
            {},
        ),
        ("P8 no adoption that nobody asked for", (adopted(PASSED_OVER),), (PASSED_OVER,), {}),
        (
            "P1 a row for the watched execution",
            (),
            (run("chosen-1", "r1", workflow_type="Chosen"), PASSED_OVER),
            {},
        ),
        ("P1 the input", (dataclasses.replace(ROW, input='{"a": 1}'),), (WATCHED,), {}),
        ("P1 no parent", (dataclasses.replace(ROW, parent_id="op"),), (WATCHED,), {}),
        ("P1 the parent x, which the submission names", (OF_SUBMITTED,), (SUBMITTED,), {"parents": {"op": "x"}}),
        (
            "P1 the parent",
            (adopted(PARENT), adopted(CHILD, parent_id=ROW.id), ROW),
            (PARENT, CHILD, WATCHED),
            {},
        ),
        (
            "P1 the parent",
            (OF_SUBMITTED, adopted(CHILD_OF_SUBMITTED)),
            (SUBMITTED, CHILD_OF_SUBMITTED),
            {},
        ),
        (
            "P7 called, LEFT_ALONE",
            (),
            (run("x", "x1", workflow_type="Called", input='{"number": 3}'),),
            {"orders": {3: Order("called", "LEFT_ALONE", {"number": 3})}},
        ),
    ],
)
def test_every_untruth_is_seen(promise: str, rows: tuple[Row, ...], runs: tuple[Run, ...], others: Any) -> None:
    """One thing wrong each time."""
    assert any(one.startswith(promise) for one in found(*rows, runs=runs, **others)), promise


def named(row_id: str, kind: str, number: int, accepted: float, **changes: Any) -> Row:
    """An operation under the workflow id `n`, accepted then."""
    row = Row(row_id, "COMPLETED", 3, at(accepted), at(1), at(4), "1", type=kind, input=f'{{"number": {number}}}')
    return dataclasses.replace(row, **{"workflow_id": "n", "first_run_id": f"run of {row_id}", **changes})


def chain_of(row: Row) -> Run:
    """Returns the execution of the row."""
    return run("n", f"run of {row.id}", operation_id=row.id, workflow_type="Named", input=row.input)


def submission(kind: str, number: int, answer: str | None, sent: float, received: float, **changes: Any) -> Submission:
    """Returns a submission that a client sent and that the API answered."""
    return Submission(f"k{number}", number, kind, at(sent), at(received), answer, **changes)


def judged(kind: str, *second: Any, refused: bool = False, answer: str | None = "b", **changes: Any) -> set[str]:
    """What is held against a second submission under the workflow id of the first, which was open from 0 to 5."""
    sent, received = second
    first = named("a", kind, 1, 0, **changes)
    rows = [first, *([named("b", kind, 2, sent)] if answer == "b" else [])]
    submissions = [submission(kind, 1, "a", 0, 0.1), submission(kind, 2, answer, sent, received, refused=refused)]
    return found(*rows, runs=tuple(map(chain_of, rows)), submissions=submissions)


@pytest.mark.parametrize("kind", ["one", "shared", "latest"])
def test_a_new_operation_after_the_end_of_the_former_is_right(kind: str) -> None:
    """Also where the end was decided while the request was under way."""
    assert judged(kind, 6, 7) == set()
    assert judged(kind, 4.5, 6) == set()


@pytest.mark.parametrize("kind", ["one", "shared", "latest"])
def test_two_open_operations_of_one_workflow_id_are_seen(kind: str) -> None:
    """Under each policy."""
    assert judged(kind, 2, 3) == {"P1 no new operation while a is open"}


def test_each_answer_belongs_to_its_policy() -> None:
    """A refusal under `reject`, the open operation under `use_existing`, and neither under the others."""
    assert judged("one", 2, 3, refused=True, answer="a") == set()
    assert judged("shared", 2, 3, answer="a") == set()
    for kind, refused in (("shared", True), ("latest", True), ("one", False), ("latest", False)):
        policy = DECLARED.policies[kind]
        wanted = f"P1 an operation of its own under {policy}"
        assert judged(kind, 2, 3, refused=refused, answer="a") == {wanted}
    # An operation that gives the workflow id up, and is open, is not used.
    given_up = judged("shared", 2, 3, refused=True, answer="a", superseded_by="c")
    assert "P1 an operation of its own under use_existing" not in given_up


def test_a_refusal_names_an_operation_that_was_open() -> None:
    """Not one that is long over, not one that came later, and not nothing."""
    assert judged("one", 60, 61, refused=True, answer="a") == {"P1 an operation open at the time"}
    assert judged("one", 2, 3, refused=True, answer="x") == {"P1 the operation that has the workflow id"}
    assert judged("one", 2, 3, refused=True, answer=None) == {"P1 the operation that has the workflow id"}


@pytest.mark.parametrize("kind", ["one", "shared", "latest"])
def test_an_operation_of_another_tenant_keeps_its_workflow_id(kind: str) -> None:
    """P8: whatever the policy, the refusal names nothing; and there has to be such an operation."""

    def refused(sent: float, tenant: str, **changes: Any) -> set[str]:
        own = submission(kind, 2, None, sent, sent + 1, refused=True, workflow_id="n", tenant="acme")
        row = named("a", kind, 1, 0, tenant=tenant)
        return found(row, runs=(chain_of(row),), submissions=[dataclasses.replace(own, **changes)])

    assert refused(2, "default") == set()
    assert refused(60, "default") == {"P1 the operation that has the workflow id"}
    assert refused(2, "default", workflow_id="m") == {"P1 the operation that has the workflow id"}
    assert refused(2, "acme") >= {"P1 the operation that has the workflow id"}
    assert "P8 an operation of acme for submission k2" in refused(2, "default", operation_id="a")


SUPERSEDED: dict[str, Any] = {
    "result": None,
    "error_code": "TERMINATED",
    "error_message": "superseded",
    "status": "FAILED",
}


def test_who_was_superseded_names_its_successor() -> None:
    """In the error's details, if it was terminated, and in no other case."""
    first = chain_of(named("a", "latest", 1, 0))
    ended = dataclasses.replace(first, end=End("TERMINATED", at(4), reason="superseded", actor="me"))
    details = {"reason": "superseded", "actor": "me"}
    second = named("b", "latest", 2, 2)

    def judged(successor: str | None, **details: str) -> set[str]:
        row = named("a", "latest", 1, 0, **SUPERSEDED, superseded_by=successor, error_details=details)
        return found(row, second, runs=(ended, chain_of(second)))

    assert judged("b", superseded_by="b", **details) == set()
    assert judged("b", **details) == {"P1 the details name b"}
    assert judged("x", superseded_by="x", **details) == {"P1 a successor under n"}
    assert judged(None, superseded_by="b", **details) == {"P1 no successor"}
    assert judged(None, superseded_by="a foreign run", **details) == set()


@pytest.mark.parametrize("kind", ["shared", "latest"])
def test_an_operation_of_another_workflow_type_keeps_its_workflow_id(kind: str) -> None:
    """A submission is refused because of it, whatever the policy."""
    stranger = run("n", "x", workflow_type="Stranger", task_queue="plugged", end=End("COMPLETED", at(5), result="1"))
    row = adopted(stranger, finished_at=at(5))

    def judged(row: Row, answer: Submission, *others: Row) -> set[str]:
        return found(row, *others, runs=(stranger, *map(chain_of, others)), submissions=[answer])

    assert judged(row, submission(kind, 2, row.id, 2, 3, refused=True)) == set()
    used = judged(row, submission(kind, 2, row.id, 2, 3))
    assert "P8 an execution of Named" in used
    second = named("b", "latest", 2, 2)
    ended = dataclasses.replace(row, superseded_by="b")
    assert "P8 an execution of Named" in judged(ended, submission("latest", 2, "b", 2, 3), second)
    client = dataclasses.replace(second, origin="CLIENT")
    assert "P8 an execution of Named" not in found(ended, client, runs=(stranger, chain_of(client)))


def test_one_that_gave_way_before_its_start_needs_no_execution() -> None:
    """And no other does without."""
    details = {"superseded_by": "b"}
    gave_way = named("a", "latest", 1, 0, **SUPERSEDED, superseded_by="b", error_details=details)
    gave_way = dataclasses.replace(gave_way, started_at=None, first_run_id=None, history_length=2)
    second = named("b", "latest", 2, 2)
    history = [lines(None, 0)[0], Line(2, "ACCEPTED", "FAILED", "CLIENT", "superseded", at(2))]
    both = {"a": history, "b": lines("COMPLETED", 5)}
    assert found(gave_way, second, runs=(chain_of(second),), lines=both) == set()
    alone = dataclasses.replace(gave_way, superseded_by=None, error_details={})
    assert "P1 a workflow chain" in found(alone, second, runs=(chain_of(second),), lines=both)

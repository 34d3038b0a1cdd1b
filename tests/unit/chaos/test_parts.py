"""The fault campaign's plan is its arguments' alone, and its proxies know the message that they wait for."""

import tomllib
from collections import Counter

import pytest

from tests.chaos.clients.starter import SHARED, WORKFLOWS
from tests.chaos.plan.kinds import CALLBACKS_IN_TEN_MINUTES, IN_TEN_MINUTES, Fate, FaultKind, Way
from tests.chaos.plan.plan import make_plan
from tests.chaos.plan.tenants import OTHER, OWN
from tests.chaos.plan.workload import MAX_PUTS, NAMES, TEMPLATES
from tests.chaos.proxies.huffman import encoded
from tests.chaos.proxies.lost_commits import LostCommits
from tests.chaos.proxies.lost_starts import PREFACE, START, Frames, LostStarts
from tests.chaos.system.declared import declared
from tests.chaos.system.system import TYPES


def test_the_same_arguments_make_the_same_plan() -> None:
    """So that a failing seed can be run again; and another seed is another plan."""
    assert make_plan(7, 200, 2, callbacks=True) == make_plan(7, 200, 2, callbacks=True)
    assert make_plan(7, 200, 2, callbacks=True).faults != make_plan(8, 200, 2, callbacks=True).faults


@pytest.mark.parametrize("callbacks", [True, False])
def test_ten_minutes_have_a_hundred_faults_of_every_class(callbacks: bool) -> None:
    """Each several times, begun within the load; and every fate, each key once."""
    plan = make_plan(1, 5000, 10, callbacks=callbacks)
    assert len(plan.faults) >= 100
    assert set(plan.planned) == IN_TEN_MINUTES.keys() | (CALLBACKS_IN_TEN_MINUTES.keys() if callbacks else set())
    assert min(plan.planned.values()) >= 3
    assert all(0 < fault.at < 600 for fault in plan.faults)
    fates = Counter(work.fate for work in plan.work)
    assert all(fates[fate] >= 20 for fate in Fate)
    assert len({work.key for work in plan.work}) == len(plan.work) == 5000


def test_a_short_campaign_has_every_class_once() -> None:
    """The one that CI runs."""
    plan = make_plan(1, 200, 1.2, callbacks=True)
    assert set(plan.planned) == set(FaultKind)
    assert {work.way for work in plan.work} == set(Way)


def test_baskets_are_started_more_than_once() -> None:
    """With each start an item, so that some join."""
    works = make_plan(1, 2000, 10, callbacks=True).work
    puts = {way: {work.input["puts"] for work in works if work.way is way} for way in (Way.SIGNAL, Way.UPDATE)}
    assert puts == {way: set(range(1, MAX_PUTS + 1)) for way in (Way.SIGNAL, Way.UPDATE)}


def test_executions_of_clients_have_workflow_ids_of_their_own() -> None:
    """But for those that meet operations under the workflow ids that templates give."""
    started = [work for work in make_plan(1, 2000, 10, callbacks=True).work if work.way not in (Way.SUBMIT, Way.SQL)]
    shared = {work.workflow_id for work in started if work.type in SHARED}
    own = [work.workflow_id for work in started if work.type not in SHARED]
    assert shared == {f"{prefix}-{name}" for prefix in ("one", "shared", "latest", "basket") for name in NAMES}
    assert len(own) == len(set(own))
    assert {work.type for work in started} == WORKFLOWS.keys()


def test_the_checker_knows_what_the_types_declare() -> None:
    """Read from the file that the ledger reads."""
    found = declared()
    assert found.watched == {"Watched": {"": OWN}, "Chosen": {"chosen-": OWN, "acme-": OTHER}}
    types = tomllib.loads(TYPES.read_text())["operations"]
    assert {name: types[name]["workflow_id"].partition("-")[0] for name in found.policies} == TEMPLATES
    assert found.policies == {
        "named-reject": "reject",
        "named-use": "use_existing",
        "named-terminate": "terminate",
    }


def test_faults_and_types_can_be_chosen() -> None:
    """These and no others, so many of each."""
    plan = make_plan(1, 250, 1.5, callbacks=True, faults={FaultKind.START_LOST: 3})
    assert plan.planned == {FaultKind.START_LOST: 3}
    calm = make_plan(1, 250, 1.5, callbacks=True, faults={}, types=["untracked"])
    assert calm.faults == ()
    assert {work.type for work in calm.work} == {"untracked"}
    watched = make_plan(1, 250, 1.5, callbacks=True, ways=[Way.RULE, Way.SCHEDULE])
    assert {work.way for work in watched.work} == {Way.RULE, Way.SCHEDULE}


def test_the_answer_to_a_commit_is_lost_once() -> None:
    """Not to a statement that speaks of one, and not where nothing is armed."""
    commits = LostCommits()
    session = commits.watch()
    session.request(b"Q\x00\x00\x00\x0cCOMMIT;\x00")
    assert not session.swallow(b"COMMIT")
    commits.armed = 1
    session.request(b"Q\x00\x00\x00\x13SELECT 'COMMIT;'\x00")
    assert not session.swallow(b"row")
    session.request(b"Q\x00\x00\x00\x0cCOMMIT;\x00")
    assert session.swallow(b"COMMIT")
    assert (commits.armed, commits.lost) == (0, 1)


def frame(kind: int, stream: int, content: bytes) -> bytes:
    """A frame of HTTP/2."""
    return len(content).to_bytes(3, "big") + bytes([kind, 4]) + stream.to_bytes(4, "big") + content


def test_frames_are_cut_wherever_the_bytes_were() -> None:
    """TCP keeps no message's bounds."""
    data = PREFACE + frame(4, 0, b"") + frame(1, 3, b"headers") + frame(0, 3, b"data")
    frames = Frames(PREFACE)
    found = [one for place in range(len(data)) for one in frames.read(data[place : place + 1])]
    assert found == [(4, 0, b""), (1, 3, b"headers"), (0, 3, b"data")]


def test_the_answer_to_a_start_is_lost_and_no_other() -> None:
    """The connection is cut when the server answers on the start's stream."""
    starts = LostStarts()
    connection = starts.watch()
    connection.request(PREFACE)
    starts.armed = 1
    other = encoded("/temporal.api.workflowservice.v1.WorkflowService/DescribeNamespace")
    connection.request(frame(1, 1, b"\x83" + other) + frame(1, 3, b"\x83\x44" + START + b"\x00"))
    assert not connection.swallow(frame(1, 1, b"answer"))
    assert connection.swallow(frame(1, 3, b"answer"))
    assert (starts.seen, starts.armed, starts.lost) == (1, 0, 1)


def test_huffman_as_in_the_standard() -> None:
    """RFC 7541, C.4.1 has "www.example.com"."""
    assert encoded("www.example.com").hex() == "f1e3c2e5f23a6ba0ab90f4ff"

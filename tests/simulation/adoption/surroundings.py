"""Parents and children, the other loops of the ledger, resets, and the weather."""

from dataclasses import replace
from datetime import timedelta

from hypothesis import strategies as st
from hypothesis.stateful import precondition, rule

from adapters.memory.engine.engine_controls import UNTAGGED
from application.ports.engine.executions import UNPOLLED_QUEUE
from application.submit.submission import Submission
from domain.errors import InvalidInput
from domain.evidence.observation import ExecutionState
from tests.simulation.adoption.world import ALL_NAMES, SKEWS, TASK, UNDECLARED, AdoptingWorld
from tests.simulation.processes import Fate
from tests.simulation.workflow_ids.world import NOT_OURS, OURS, TENANTS
from tests.simulation.world import FATES, PICKS, one


class Families(AdoptingWorld):
    """Children that workflows start in Temporal, and those that submissions name the parent of."""

    @precondition(lambda self: self.open_names)
    @rule(pick=PICKS, name=st.sampled_from(ALL_NAMES), kind=st.sampled_from([OURS, OURS, NOT_OURS, UNDECLARED]))
    def start_child(self, pick: int, name: str, kind: str) -> None:
        parent = one(self.open_names, pick)
        if name not in self.open_names:
            self.world.pick_up(parent)
            self.world.start_child(name, self.world.latest_run(parent), replace(UNTAGGED, workflow_type=kind))

    @precondition(lambda self: self.rows)
    @rule(pick=PICKS, tenant=st.sampled_from([*TENANTS[:1] * 4, TENANTS[1]]), dispatched=st.booleans(), fate=FATES)
    def submit_child(self, pick: int, tenant: str, dispatched: bool, fate: Fate | None) -> None:
        """A workflow submits an operation on behalf of its own; that of another tenant is refused."""
        parent = one(list(self.rows.values()), pick)
        submission = Submission(tenant, TASK.name, {"of": 1}, parent_id=parent.id)

        async def submit() -> None:
            [answer] = await self.ledger.new_submitter().submit_batch([submission], [None])
            assert isinstance(answer, InvalidInput) == (tenant != parent.tenant), answer

        self.process(submit(), fate)
        if dispatched:
            self.dispatch_all()

    @precondition(lambda self: any(row.cancel_children_due_at is not None for row in self.rows.values()))
    @rule(limit=st.integers(1, 3), fate=FATES, ahead=SKEWS)
    def pass_cancellations_on(self, limit: int, fate: Fate | None, ahead: timedelta) -> None:
        self.process(self.ledger.pass_cancellations_on(limit), fate, ahead)


class Weather(AdoptingWorld):
    """What else happens."""

    @rule(fate=FATES, ahead=SKEWS)
    def poll_closes(self, fate: Fate | None, ahead: timedelta) -> None:
        self.advance(seconds=2)
        self.process(self.ledger.close_poll.step(1), fate, ahead)

    @rule(fate=FATES, ahead=SKEWS)
    def watch_starts(self, fate: Fate | None, ahead: timedelta) -> None:
        self.advance(seconds=1)
        self.process(self.ledger.start_watch.step(1), fate, ahead)

    @rule(ahead=SKEWS)
    def act_by_another_clock(self, ahead: timedelta) -> None:
        """Dispatch and follow-up."""
        self.process(self.ledger.dispatch(100), None, ahead)
        self.process(self.ledger.follow_up(100), None, ahead)

    @precondition(lambda self: self.resettable())
    @rule(pick=PICKS)
    def reset(self, pick: int) -> None:
        """Whatever a worker had, closed or open."""
        self.world.reset(one(self.resettable(), pick))

    def resettable(self) -> list[str]:
        """Workflow ids whose latest execution a worker has had."""
        found = self.world._executions.items()
        return [
            name
            for name, chain in found
            if chain.state is not ExecutionState.PENDING and not chain.never_picked_up
            if chain.fields.task_queue != UNPOLLED_QUEUE
        ]

    @precondition(lambda self: self.open_names)
    @rule(pick=PICKS)
    def delete(self, pick: int) -> None:
        self.world.delete(one(self.open_names, pick))

    @rule()
    def index_lags(self) -> None:
        self.freeze()

    @rule(back=st.booleans())
    def outage(self, back: bool) -> None:
        """The ledger's processes and the clients go on."""
        (self.world.come_back if back else self.world.go_down)()

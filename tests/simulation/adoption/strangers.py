"""Executions of another workflow type, which have the workflow ids that submissions want."""

from hypothesis import strategies as st
from hypothesis.stateful import rule

from application.submit.submission import Submission
from domain.operation.start.workflow_id_policy import OnRunning
from tests.simulation.adoption.ways import Ledger
from tests.simulation.adoption.world import PAYROLL, untagged
from tests.simulation.workflow_ids.rules import Clients
from tests.simulation.workflow_ids.world import MACHINES, NOT_OURS, TENANTS, name_of


class Strangers(Clients, Ledger):
    """The other ways in meet them by chance."""

    @rule(
        machine=st.sampled_from(MACHINES),
        policy=st.sampled_from(OnRunning),
        tenant=st.sampled_from([*TENANTS[:1] * 3, TENANTS[1]]),
        adopted_first=st.booleans(),
    )
    def submit_against_a_stranger(self, machine: str, policy: OnRunning, tenant: str, adopted_first: bool) -> None:
        """It becomes an operation before the submission, or before the start. It goes on in any case."""
        name = name_of(machine)
        if name in self.open_names:
            return
        self.world.start_from_outside(name, untagged(NOT_OURS))
        stranger = self.world._executions[name]
        request = Submission("default", f"{policy}.allow", {"machine": machine})
        if adopted_first:
            self.process(self.adopted(tenant, PAYROLL.name, name, None))
        [answer] = self.process(self.submitted(request))
        self.is_a_fair_answer(request, answer)
        self.process(self.adopted(tenant, PAYROLL.name, name, None))
        self.dispatch_all()
        self.follow_all_up()
        now = self.world._executions[name]
        assert now.open, f"{stranger} was terminated for {answer}"
        assert now.first_run_id == stranger.first_run_id

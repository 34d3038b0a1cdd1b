"""Mistakes in reading the engine."""

from tests.seeded_bugs.bug import ASKED, Bug, Hunk

OLDEST_RUN = Bug(
    "oldest-run-wins",
    "P3, P4: the ledger asks about the chain's first run, not its latest",
    ASKED,
    (
        Hunk(
            "adapters/temporal/workflow_engine.py",
            "        if likely_closed and (closed := ",
            "        if False and (closed := ",
        ),
        Hunk(
            "adapters/temporal/workflow_engine.py",
            """\
        own = await self._chains.last_run(chain, current)
""",
            """\
        own = await self._chains.last_run(chain, current)
        if own is not None:
            first = first_run_id(own.workflow_execution_info)
            own = await self._chains.describe(chain.workflow_id, first) or own
""",
        ),
    ),
)
BUGS = (OLDEST_RUN,)

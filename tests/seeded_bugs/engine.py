"""Mistakes in reading the engine."""

from tests.seeded_bugs.bug import ASKED, Bug, Hunk

OLDEST_RUN = Bug(
    "oldest-run-wins",
    "P3, P4: what is asked is the chain's first run, not its latest",
    ASKED,
    (
        Hunk("adapters/temporal/workflow_engine.py", "        if likely_closed:\n", "        if False:\n"),
        Hunk(
            "adapters/temporal/workflow_engine.py",
            """\
        execution = description.workflow_execution_info.execution
""",
            """\
        first_run = description.workflow_execution_info.first_run_id
        description = await self._describe(operation_id, first_run) or description
        execution = description.workflow_execution_info.execution
""",
        ),
    ),
)
BUGS = (OLDEST_RUN,)

"""Mistakes in adopting executions that others start."""

from tests.seeded_bugs.bug import ADOPTED, FAMILIES, SELECTED, Bug, Hunk

STRAY_RUNS_ON = Bug(
    "stray-runs-on",
    "P1: an execution that attaching a callback started by accident is not terminated",
    ADOPTED,
    (
        Hunk(
            "adapters/memory/engine/workflow_engine.py",
            "            self.terminate_from_outside(execution.workflow_id, STRAY, IDENTITY)\n",
            "",
        ),
        Hunk(
            "adapters/temporal/attach_callback.py",
            "        await _end_stray(client, execution.workflow_id, response.run_id)\n",
            "",
        ),
    ),
)
WATCH_WITHOUT_OVERLAP = Bug(
    "watch-without-overlap",
    "P4: a round of the watch rules begins where the last one ended, and misses what the index listed late",
    ADOPTED,
    (
        Hunk(
            "application/adopt/watch_rules.py",
            "begun.mark - (REACH if reads_late else OVERLAP), 0",
            "begun.mark, 0",
        ),
    ),
)
_NO_INDEX = (
    Hunk(
        "adapters/memory/operations/operation_repository.py",
        "        if written.first_run_id is None or not written.has_given_workflow_id:\n            return\n",
        "        if written.workflow_id:\n            return\n",
    ),
    Hunk("migrations/versions/r0017_chains.py", "CREATE UNIQUE INDEX", "CREATE INDEX"),
    Hunk(
        "adapters/postgres/schema/tables/operations.py",
        "unique=True, postgresql_where=sa.text(STARTED_UNDER_NAME)",
        "unique=False, postgresql_where=sa.text(STARTED_UNDER_NAME)",
    ),
)
CHAINS_NOT_UNIQUE = Bug(
    "chains-not-unique",
    "P1: no index keeps a submission that uses an execution, and an adoption of it, from making two operations of it",
    ADOPTED,
    _NO_INDEX,
)
ADOPTED_TWICE = Bug(
    "adopted-twice",
    "P1: adopting an execution that is an operation already creates a second operation",
    ADOPTED,
    (
        *_NO_INDEX,
        Hunk(
            "application/adopt/adopt.py",
            "from uuid import UUID\n",
            "from uuid import UUID, uuid5\n",
        ),
        Hunk("application/adopt/adopt.py", "        known = relatives.own\n", "        known = None\n"),
        Hunk(
            "application/adopt/adopt.py",
            "        chain = Chain(relatives.adopted_id, execution.workflow_id, execution.first_run_id)\n",
            "        own_id = relatives.adopted_id\n"
            "        if relatives.own is not None:\n"
            "            own_id = uuid5(own_id, str(self._clock.now()))\n"
            "        chain = Chain(own_id, execution.workflow_id, execution.first_run_id)\n",
        ),
    ),
)
ORPHANED = Bug(
    "orphaned",
    "P1: a child gets the parent that its report brings, and not the operation that the ledger has started",
    FAMILIES,
    (
        Hunk(
            "application/adopt/adopt.py",
            "if parent_id is None:\n            parent = await",
            "if parent_id is None and not relatives.may_be_parents:\n            parent = await",
        ),
    ),
)
QUERY_IGNORED = Bug(
    "query-ignored",
    "P8: a watch rule adopts every execution of its workflow type",
    SELECTED,
    (
        Hunk(
            "application/adopt/rules.py",
            "Watch(self.type.workflow, self.type.query)",
            "Watch(self.type.workflow, None)",
        ),
    ),
)
STRANGER_ENDED = Bug(
    "stranger-ended",
    "P8: a submission terminates an adopted operation of another workflow type that has its workflow id",
    ADOPTED,
    (
        Hunk(
            "domain/operation/start/workflow_id_use.py",
            "next((row for row in holding if workflow_of(row.type) != workflow), None)",
            "None",
        ),
    ),
)
BUGS = (STRAY_RUNS_ON, WATCH_WITHOUT_OVERLAP, CHAINS_NOT_UNIQUE, ADOPTED_TWICE, ORPHANED, QUERY_IGNORED, STRANGER_ENDED)

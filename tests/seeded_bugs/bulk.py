"""Mistakes in bulk actions."""

from tests.seeded_bugs.bug import BULK, Bug, Hunk

_PERFORM = "application/bulk/perform.py"
_MEMORY = "adapters/memory/bulk_actions.py"
_RECORD = """\
            await unit.bulk_actions.record(action_id, handled)
            await unit.commit()
"""

SELECTS_AGAIN = Bug(
    "bulk-selects-again",
    "P10: the targets are those that match when the bulk action runs, not those of the dry run",
    BULK,
    (
        Hunk(_MEMORY, "class MemoryBulkActions:\n", "_CRITERIA = {}\n\n\nclass MemoryBulkActions:\n"),
        Hunk(
            _MEMORY,
            "        stored = replace(action, matching=len(found), terms=None)\n",
            """\
        stored = replace(action, matching=len(found), terms=None)
        _CRITERIA[action.id] = criteria
""",
        ),
        Hunk(
            _MEMORY,
            "enumerate(row.targets, 1)]\n",
            """enumerate(self._matching(row.action), 1)]
""",
        ),
        Hunk(
            _MEMORY,
            "    async def record(",
            """\
    def _matching(self, action):
        criteria = _CRITERIA[action.id]
        rows = [row for row in self._draft.operations.values() if row.tenant == action.tenant]
        found = sorted((row.accepted_at, row.id) for row in rows if criteria is not None and matches(row, criteria))
        return [operation_id for _, operation_id in found]

    async def record(""",
        ),
    ),
)
FROM_THE_START = Bug(
    "bulk-from-the-start",
    "P10: each piece begins at the first target again",
    BULK,
    (
        Hunk(
            _PERFORM,
            "(action_id, after=after, limit=size)\n                pending",
            "(action_id, after=0, limit=size)\n                pending",
        ),
    ),
)
OF_EVERY_TENANT = Bug(
    "bulk-of-every-tenant",
    "P8: a dry run counts the operations of other tenants",
    BULK,
    (
        Hunk(
            _MEMORY,
            "rows = [row for row in self._draft.operations.values() if row.tenant == action.tenant]",
            "rows = [*self._draft.operations.values()]",
        ),
    ),
)
UNSTOPPABLE = Bug(
    "bulk-unstoppable",
    "P10: a bulk action goes on after its cancellation was requested",
    BULK,
    (Hunk(_PERFORM, "if stoppable and operation.cancel_request is not None:", "if stoppable and action is None:"),),
)
RECORDED_APART = Bug(
    "bulk-recorded-apart",
    "P10: what was done is recorded in a second transaction, which a kill may prevent",
    BULK,
    (
        Hunk(
            _PERFORM,
            _RECORD,
            """\
            await unit.commit()
            async with self._units() as second:
                await second.bulk_actions.record(action_id, handled)
                await second.commit()
""",
        ),
    ),
)
UNLOCKED = Bug(
    "bulk-unlocked",
    "P10: a worker that stood still acts beside the one that has taken over",
    BULK,
    (
        Hunk(
            _PERFORM,
            "action = await unit.bulk_actions.lock(action_id)",
            "action = await unit.bulk_actions.get(action_id)",
        ),
    ),
)
NEWER_PROBLEMS = Bug(
    "bulk-newer-problems",
    "P10: a bulk acknowledgement takes a problem away that is newer than its dry run",
    BULK,
    (Hunk("application/bulk/verbs.py", "operation.attention.identity != problems[operation.id]", "operation.done"),),
)
BUGS = (SELECTS_AGAIN, FROM_THE_START, OF_EVERY_TENANT, UNSTOPPABLE, RECORDED_APART, UNLOCKED, NEWER_PROBLEMS)

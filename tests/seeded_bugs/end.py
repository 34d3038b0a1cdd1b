"""Mistakes in taking in how an execution ended."""

from tests.seeded_bugs.bug import PUSHED, SIMULATION, Bug, Hunk

_RECEIVE = "application/track/receive_callback.py"
_GROUP = "application/batching/group_commit.py"
_RECONCILE = "application/converge/reconcile.py"

ACK_BEFORE_COMMIT = Bug(
    "ack-before-commit",
    "P4: a callback is answered before what it says is stored, and is lost with the process",
    SIMULATION,
    (
        Hunk(_RECEIVE, "from datetime import timedelta\n", "import asyncio\nfrom datetime import timedelta\n"),
        Hunk(
            _RECEIVE,
            "            verdict = await self._record(operation_id, tenant, event)\n",
            """\
            asyncio.ensure_future(self._record(operation_id, tenant, event))
            verdict = Verdict.TRANSITION
""",
        ),
    ),
)
TOLD_BEFORE_COMMIT = Bug(
    "told-before-commit",
    "P4: callers of a group get their answer before the group is committed",
    SIMULATION,
    (
        Hunk(
            _GROUP, "from collections.abc import Sequence\n", "import asyncio\nfrom collections.abc import Sequence\n"
        ),
        Hunk(
            _GROUP,
            """\
            if saved:
                await unit.commit()
        for operation_id, operation in saved.items():
            by_id[operation_id].resolve(UpdateResult.of(found[operation_id], changes[operation_id], operation))
""",
            """\
            for operation_id, operation in saved.items():
                by_id[operation_id].resolve(UpdateResult.of(found[operation_id], changes[operation_id], operation))
            await asyncio.sleep(0.01)
            if saved:
                await unit.commit()
""",
        ),
    ),
)
NOT_FOUND = Bug(
    "404-on-unknown",
    "P4: a callback that overtakes its operation's commit is answered 404, which is final",
    PUSHED,
    (
        Hunk(
            "entrypoints/http/problems/kinds.py",
            'Kind(503, "callback-not-taken", "Callback not stored", retry_after=1)',
            'Kind(404, "callback-not-taken", "Callback not stored")',
        ),
    ),
)
NO_COMPARE_AND_SET = Bug(
    "no-compare-and-set",
    "P2, P6: who writes last wins, over what has happened since it read",
    SIMULATION,
    (
        Hunk(
            "adapters/memory/operations/operation_repository.py",
            "        if stored is None or stored.revision != operation.revision:\n            return None\n",
            "        if stored is None:\n            return None\n",
        ),
        Hunk(
            "adapters/postgres/operations/saving.py",
            "operations.c.revision == new.c.revision)",
            "new.c.revision > 0)",
        ),
    ),
)
REPORT_IS_FINAL = Bug(
    "report-is-final",
    "P3: a reported outcome ends the operation, although the engine has the last word",
    SIMULATION,
    (
        Hunk(
            "domain/evidence/reporting.py",
            "if finality is Finality.WORKFLOW and not report.provisional:",
            "if not report.provisional:",
        ),
    ),
)
NO_OVERLAP = Bug(
    "no-overlap",
    "P4: a pass begins exactly where the last one began, and misses what the index listed late",
    SIMULATION,
    (Hunk(_RECONCILE, "PassCursor(since=known - self._overlap, ", "PassCursor(since=known, "),),
)
WATERMARK_AT_THE_END = Bug(
    "watermark-at-the-end",
    "P4: the watermark is the time at which a pass ends, not at which it began",
    SIMULATION,
    (
        Hunk(
            _RECONCILE,
            "await unit.watermarks.advance(cursor.began_at)",
            "await unit.watermarks.advance(self._clock.now())",
        ),
    ),
)
NOTIFY_ONLY = Bug(
    "notify-only",
    "P4: callbacks are all there is: no confirmation, no reconciliation, no verification",
    SIMULATION,
    (
        Hunk(
            "application/converge/follow_up.py",
            "            await self._send_cancel(operation)\n",
            """\
            await self._send_cancel(operation)
        else:
            return
""",
        ),
        Hunk(
            _RECONCILE,
            "        cursor = cursor or await self._begin()\n",
            "        return ReconciledPage(None)\n        cursor = cursor or await self._begin()\n",
        ),
        Hunk(
            "application/converge/verify.py",
            "        return await unit.operations.claim_due_verifications(",
            "        return []\n        return await unit.operations.claim_due_verifications(",
        ),
    ),
)
REWRITTEN = Bug(
    "divergence-rewrites",
    "P2: an execution that was reset and closed again rewrites the operation's error",
    SIMULATION,
    (
        Hunk(
            "domain/evidence/divergence.py",
            "    diverged = with_problem(operation, ",
            "    from dataclasses import replace\n\n"
            "    error = observation.error if operation.error and observation.error else operation.error\n"
            "    diverged = with_problem(replace(operation, error=error), ",
        ),
    ),
)
DIVERGENCE_BY_CLOCK = Bug(
    "divergence-by-clock",
    "P2: whether an answer is newer than a final row is decided by the clocks of two processes",
    SIMULATION,
    (
        Hunk(
            "application/track/record.py",
            "unchanged = operation.version == version",
            "unchanged = observation.asked_at > operation.updated_at",
        ),
    ),
)
AT_ITS_WORD = Bug(
    "callback-at-its-word",
    "P3: an old callback counts as news, although the run it tells of was reset since",
    SIMULATION,
    (
        Hunk(
            _RECEIVE,
            "event.whole and fresh and event.run_id is not None",
            "event.whole and event.run_id is not None",
        ),
    ),
)
ANY_TOKEN = Bug(
    "any-token",
    "a callback is taken with the token of another operation",
    SIMULATION,
    (Hunk("domain/access/callback_token.py", "operation_id.bytes, tenant.encode()", "tenant.encode()"),),
)
FALSY_DROPPED = Bug(
    "falsy-dropped",
    "P4: results that are false, empty or zero are taken for none",
    SIMULATION,
    (Hunk("domain/operation/lifecycle.py", "cause, at=at, result=result)", "cause, at=at, result=result or None)"),),
)
BUGS = (
    *(ACK_BEFORE_COMMIT, TOLD_BEFORE_COMMIT, NOT_FOUND, ANY_TOKEN, AT_ITS_WORD, NO_COMPARE_AND_SET, REPORT_IS_FINAL),
    *(NO_OVERLAP, WATERMARK_AT_THE_END, NOTIFY_ONLY, REWRITTEN, FALSY_DROPPED),
    DIVERGENCE_BY_CLOCK,
)

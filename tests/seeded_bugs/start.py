"""Mistakes in accepting and starting."""

from tests.seeded_bugs.bug import SIMULATION, UNHEARD, Bug, Hunk

_DISPATCH = "application/dispatch/dispatch.py"
_SUBMIT = "application/submit/submit.py"

NO_FENCING = Bug(
    "no-fencing",
    "P2: a dispatcher that stood still past its lease acts on its old claim",
    SIMULATION,
    (
        Hunk(
            "application/dispatch/claim.py",
            """    return (
        current.status is OperationStatus.ACCEPTED
        and current.dispatch.done_at is None
        and current.dispatch.attempts == claimed.dispatch.attempts
    )
""",
            "    return not current.done\n",
        ),
    ),
)
START_BEFORE_COMMIT = Bug(
    "start-before-commit",
    "P1: the workflow is started before its row is committed, and runs without one",
    SIMULATION,
    (
        Hunk(_SUBMIT, "import asyncio\n", "import asyncio\nimport contextlib\n"),
        Hunk(
            _SUBMIT,
            "from application.ports.storage.unit_of_work import UnitOfWork, UnitOfWorkFactory\n",
            """\
from application.ports.storage.unit_of_work import UnitOfWork, UnitOfWorkFactory
from application.ports.engine.workflow_engine import (
    CallbackRefused,
    EngineUnavailable,
    ExecutionExists,
    StartFailed,
    StartRejected,
    StartRequest,
    WorkflowEngine,
)
from application.dispatch.completion_callbacks import CompletionCallbacks
""",
        ),
        Hunk(
            _SUBMIT,
            """\
        validator: InputValidator,
    ) -> None:
""",
            """\
        validator: InputValidator,
        engine: WorkflowEngine,
        callbacks: CompletionCallbacks,
    ) -> None:
        self._engine = engine
        self._callbacks = callbacks
""",
        ),
        Hunk(
            _SUBMIT,
            "        await placed.store(unit, wait=not nowait)\n",
            """\
        for row in (change.operation for change in new):
            callback = self._callbacks.of(row.id, row.tenant)
            request = StartRequest(row.id, row.workflow_id, self._catalogue.get(row.type), row.input, callback)
            refusals = (EngineUnavailable, ExecutionExists, StartFailed, StartRejected, CallbackRefused)
            with contextlib.suppress(*refusals):
                await self._engine.start(request)
        await placed.store(unit, wait=not nowait)
""",
        ),
        Hunk(
            "entrypoints/wiring/api.py",
            "adapters.validator\n    )\n    retry = ",
            "adapters.validator, temporal.engine, services.callbacks\n    )\n    retry = ",
        ),
    ),
)
NAIVE_START = Bug(
    "naive-start",
    "P1: a start has a new request id every time, and a closed workflow's id may be used again",
    UNHEARD,
    (
        Hunk(
            "adapters/temporal/start_request.py",
            "raw.request_id = operation_id",
            "raw.request_id = __import__('uuid').uuid4().hex",
        ),
        Hunk(
            "adapters/temporal/start_request.py",
            "WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_REJECT_DUPLICATE",
            "WorkflowIdReusePolicy.WORKFLOW_ID_REUSE_POLICY_ALLOW_DUPLICATE",
        ),
    ),
)
FORCED_AT_ONCE = Bug(
    "forced-at-once",
    "P3: an end by force is stored as done before the request to the engine",
    SIMULATION,
    (
        Hunk(
            "domain/operation/lifecycle.py",
            """\
    if operation.dispatch.done_at is None:
        return requested
""",
            """\
    if operation.dispatch.done_at is None:
        return requested
    if force and operation.status is OperationStatus.RUNNING:
        error = OperationError(ErrorCode.TERMINATED, reason or "terminated", {"reason": reason, "actor": cause.actor})
        return requested.then(fail(requested.operation, error, cause))
""",
        ),
    ),
)
BUGS = (NO_FENCING, START_BEFORE_COMMIT, NAIVE_START, FORCED_AT_ONCE)

"""The classes of fault, and how many of each a campaign of ten minutes has."""

from enum import StrEnum


class FaultKind(StrEnum):
    """What is done to the running system."""

    KILL_API = "kill -9 of an api"
    KILL_WORKER = "kill -9 of a worker"
    KILL_TEAM = "kill -9 of the team's worker"
    KILL_POSTGRES = "kill -9 of PostgreSQL"
    KILL_TEMPORAL = "kill -9 of Temporal"
    PAUSE_API = "SIGSTOP of an api"
    PAUSE_WORKER = "SIGSTOP of a worker"
    SESSIONS_ENDED = "database sessions terminated"
    COMMIT_LOST_API = "commit's answer lost, api"
    COMMIT_LOST_WORKER = "commit's answer lost, worker"
    START_LOST = "start's answer lost"
    ENGINE_CUT = "Temporal unreachable"
    ENGINE_MUTED = "Temporal silent"
    RECEIVER_DOWN = "callback receiver down"
    CALLBACK_REFUSED = "callback answered 5xx, not forwarded"
    CALLBACK_UNACKNOWLEDGED = "callback answered 5xx, forwarded"
    CALLBACK_SLOW = "callback slow"
    CALLBACK_DUPLICATED = "callback duplicated"
    CALLBACK_LATE = "callback late and out of order"
    CALLBACK_LOST = "callback lost"
    CALLBACK_FORGED = "callback forged"
    CALLBACK_EARLY = "callback before its operation"


IN_TEN_MINUTES = {
    FaultKind.KILL_API: 9,
    FaultKind.KILL_WORKER: 10,
    FaultKind.KILL_TEAM: 7,
    FaultKind.KILL_POSTGRES: 6,
    FaultKind.KILL_TEMPORAL: 5,
    FaultKind.PAUSE_API: 6,
    FaultKind.PAUSE_WORKER: 7,
    FaultKind.SESSIONS_ENDED: 9,
    FaultKind.COMMIT_LOST_API: 12,
    FaultKind.COMMIT_LOST_WORKER: 14,
    FaultKind.START_LOST: 14,
    FaultKind.ENGINE_CUT: 7,
    FaultKind.ENGINE_MUTED: 7,
}
CALLBACKS_IN_TEN_MINUTES = {
    FaultKind.RECEIVER_DOWN: 3,
    FaultKind.CALLBACK_REFUSED: 6,
    FaultKind.CALLBACK_UNACKNOWLEDGED: 6,
    FaultKind.CALLBACK_SLOW: 5,
    FaultKind.CALLBACK_DUPLICATED: 8,
    FaultKind.CALLBACK_LATE: 8,
    FaultKind.CALLBACK_LOST: 8,
    FaultKind.CALLBACK_FORGED: 10,
    FaultKind.CALLBACK_EARLY: 6,
}


class Way(StrEnum):
    """How an execution comes into the ledger."""

    SUBMIT = "submitted over HTTP"
    SQL = "submitted by SQL, in a transaction"
    CLIENT = "started by a client with the plugin"
    SIGNAL = "signalled with start by clients with the plugin"
    UPDATE = "updated with start by clients with the plugin"
    WORKER_HTTP = "run by a worker with the plugin, over HTTP"
    WORKER_QUEUE = "run by a worker with the plugin, by task queue"
    RULE = "watched"
    QUERY = "watched, and selected by the query of the rule"
    PASSED_OVER = "of a watched type, and not selected by the query"
    SCHEDULE = "watched, started by a Schedule"
    CALL = "adopted on request"
    FOREIGN = "another client's, under a workflow id of ours"


class Fate(StrEnum):
    """What is done to one operation, from outside or through the ledger's API."""

    LEFT_ALONE = "left alone"
    TERMINATED = "terminated from outside"
    CANCELED = "cancelled from outside"
    RESET = "reset while running"
    TERMINATED_AND_RESET = "terminated, then reset"
    DELETED = "deleted while running"
    SIGNALLED_AT_CLOSE = "signalled as it closes"
    API_CANCEL = "cancelled through the API"
    API_CANCEL_AT_ONCE = "cancelled through the API at once"
    API_BULK_CANCEL = "cancelled by a bulk action"
    API_RETRY = "retried through the API"
    API_FORCE = "ended by force through the API"

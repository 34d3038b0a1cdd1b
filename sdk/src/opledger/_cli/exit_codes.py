"""Exit codes of the command line."""

from enum import IntEnum


class ExitCode(IntEnum):
    """What a command's exit code means."""

    OK = 0
    """Done; of `wait` and `start --wait`: the operations have completed."""
    ERROR = 1
    """Also where standard output is closed early, as in `opledger list | head`. Wrong use is 2, as click has it."""
    OPERATION_FAILED = 3
    NOT_ALLOWED = 4
    NOT_FOUND = 5
    TIMED_OUT = 124
    """As of `timeout(1)`."""
    INTERRUPTED = 130

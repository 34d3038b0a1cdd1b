"""How an operation came into the ledger."""

from enum import StrEnum


class Origin(StrEnum):
    """Who started the execution, and when the operation was recorded."""

    LEDGER = "LEDGER"
    """Submitted to the ledger, which starts the workflow."""
    CLIENT = "CLIENT"
    """Started by a client with the plugin, which records the operation before the start."""
    ADOPTED = "ADOPTED"
    """The ledger found the execution, running or closed."""

"""The search attribute by which executions are found."""

from temporalio.common import SearchAttributeKey

OPERATION_UUID: SearchAttributeKey[str] = SearchAttributeKey.for_keyword("OperationUUID")
"""Search attribute with the operation's id, on every execution that the ledger starts."""

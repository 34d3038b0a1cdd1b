"""Submits, waits and filters by label with the client that openapi-python-client generates as `ledger_client`."""

import json
import sys

from ledger_client import AuthenticatedClient  # type: ignore[import-not-found]
from ledger_client.api.operations import (  # type: ignore[import-not-found]
    get_operation,
    list_operations,
    submit_operation,
)
from ledger_client.models import (  # type: ignore[import-not-found]
    End,
    ListOperationsLabels,
    SubmitBody,
    SubmitBodyLabels,
)

base_url, key = sys.argv[1:]
client = AuthenticatedClient(base_url=base_url, token=key, timeout=60)


def submit(team: str) -> str:
    """The id of a new operation with this label."""
    body = SubmitBody(type_="deploy", labels=SubmitBodyLabels.from_dict({"team": team}))
    return str(submit_operation.sync(client=client, body=body).id)


def filtered(name: str) -> list[str]:
    """The ids that a filter by this query parameter gives."""
    page = list_operations.sync(client=client, labels=ListOperationsLabels.from_dict({name: "a"}))
    return [str(item.id) for item in page.items]


submitted = submit("a")
submit("b")
waited = get_operation.sync(submitted, client=client, wait="55s", until=End.DONE)
misspelt = list_operations.sync_detailed(client=client, labels=ListOperationsLabels.from_dict({"labels[team]": "a"}))
print(
    json.dumps(
        {
            "submitted": submitted,
            "waited": waited.status.value,
            "filtered": filtered("label.team"),
            "refused": misspelt.status_code.value,
        }
    )
)

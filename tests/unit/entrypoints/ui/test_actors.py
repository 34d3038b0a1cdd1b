"""The actor of an action is the same in the audit log and in the history."""

import logging
from typing import Any

import pytest

from domain.access.principal import Principal
from domain.access.scope import ALL_SCOPES
from domain.operation.operation_error import ErrorCode
from tests.support.http.access import Guarded, bearer
from tests.support.http.bulk import perform
from tests.support.ui.visitor import Visitor, forms

ALICE = Principal("a", "alice", ALL_SCOPES, "token alice")


class Ledger:
    """Operations of the key `robot`, and a person who acts on them."""

    def __init__(self) -> None:
        self.api = Guarded(with_dashboard=True)
        self.browser = Visitor(self.api)
        self.browser.client.headers.update(bearer(self.api.tokens.issue(ALICE)))

    async def submitted(self) -> str:
        """The id of a new operation."""
        key = await self.api.key("a", name="robot")
        made = await self.api.ask("POST", "/v1/operations", key, json={"type": "deploy"})
        return str(made.json()["id"])

    async def history(self, operation_id: str) -> list[dict[str, Any]]:
        """The lines of the history, the oldest first."""
        answer = await self.browser.client.get(f"/v1/operations/{operation_id}/transitions")
        lines: list[dict[str, Any]] = answer.json()["items"]
        return lines

    async def bulk(self, verb: str) -> str:
        """Confirms a bulk action on all operations, performs it, and returns its id."""
        page = await self.browser.see("/operations")
        [form] = [form for form in forms(page) if form.action == f"/bulk/{verb}"]
        preview = (await self.browser.client.post(form.action, data=form.hidden)).text
        answer = await self.browser.submit(preview, f"/bulk/{verb}/confirm")
        operation_id = answer.url.path.rpartition("/")[2]
        await perform(self.api, operation_id)
        return operation_id


def actors(caplog: pytest.LogCaptureFixture) -> list[tuple[str, str]]:
    """Event and actor of each line of the audit log."""
    return [(line.getMessage(), line.actor) for line in caplog.records if line.name == "opledger.audit"]  # type: ignore[attr-defined]


@pytest.mark.parametrize("action", ["cancel", "acknowledge", "keep"])
async def test_an_action_has_the_same_actor_in_both(action: str, caplog: pytest.LogCaptureFixture) -> None:
    """Not the one who submitted the operation."""
    caplog.set_level(logging.INFO)
    ledger = Ledger()
    made = await ledger.submitted()
    if action == "acknowledge":
        await ledger.api.trouble(made)
    page = f"/operations/{made}"
    before = len(await ledger.history(made))
    await ledger.browser.submit(await ledger.browser.see(page), f"{page}/{action}", keep="yes")
    added = (await ledger.history(made))[before:]
    assert actors(caplog) == [(f"POST {page}/{action}", "alice")]
    assert {line["actor"] for line in added} == {"alice"}


async def test_a_retry_has_the_same_actor_in_both(caplog: pytest.LogCaptureFixture) -> None:
    """In the history of the new operation."""
    caplog.set_level(logging.INFO)
    ledger = Ledger()
    failed = await ledger.submitted()
    await ledger.api.fail(failed, ErrorCode.TERMINATED)
    page = f"/operations/{failed}"
    answer = await ledger.browser.submit(await ledger.browser.see(page), f"{page}/retry")
    [line] = await ledger.history(answer.url.path.rpartition("/")[2])
    assert actors(caplog) == [(f"POST {page}/retry", "alice")]
    assert line["actor"] == "alice"


async def test_a_deletion_has_its_actor_in_the_log_alone(caplog: pytest.LogCaptureFixture) -> None:
    """It deletes the history."""
    caplog.set_level(logging.INFO)
    ledger = Ledger()
    done = await ledger.submitted()
    await ledger.api.complete(done, None)
    page = f"/operations/{done}"
    await ledger.browser.submit(await ledger.browser.see(page), f"{page}/delete")
    assert actors(caplog) == [(f"POST {page}/delete", "alice")]
    assert (await ledger.browser.client.get(f"/v1{page}")).status_code == 404


async def test_a_bulk_action_has_the_same_actor_in_both(caplog: pytest.LogCaptureFixture) -> None:
    """In its own history, and in that of each target."""
    caplog.set_level(logging.INFO)
    ledger = Ledger()
    targets = [await ledger.submitted() for _ in range(2)]
    bulk = await ledger.bulk("cancel")
    assert actors(caplog)[-1] == ("POST /bulk/cancel/confirm", "alice")
    assert (await ledger.history(bulk))[0]["actor"] == "alice"
    for target in targets:
        assert (await ledger.history(target))[-1]["actor"] == "alice"

"""POST /v1/operations/{id}/acknowledge."""

from tests.support.http.api import Api, problem


async def troubled(api: Api) -> str:
    """Returns the URL of an operation whose start fails."""
    made = await api.submit()
    await api.trouble(made["id"])
    return f"/v1/operations/{made['id']}"


async def test_acknowledgement_takes_the_attention_away() -> None:
    """From the operation and from the list; the history keeps the reason and the actor. A repeat changes nothing."""
    api = Api(actor="alice")
    url = await troubled(api)
    before = (await api.client.get(url)).json()
    assert before["attention"]["kind"] == "DISPATCH_RETRYING"
    answer = await api.client.post(f"{url}/acknowledge", json={"reason": "maintenance"})
    assert answer.status_code == 200
    after = answer.json()
    assert (after["attention"], after["version"]) == (None, before["version"] + 1)
    assert (await api.client.get("/v1/operations?attention=DISPATCH_RETRYING")).json()["items"] == []
    line = (await api.client.get(f"{url}/transitions")).json()["items"][-1]
    assert (line["reason"], line["actor"]) == ("acknowledged DISPATCH_RETRYING: maintenance", "alice")
    assert (await api.client.post(f"{url}/acknowledge")).json() == after


async def test_acknowledgement_has_preconditions() -> None:
    """412 for another version, 404 for another tenant, 422 for another field."""
    api = Api()
    url = await troubled(api)
    problem(await api.client.post(f"{url}/acknowledge", headers={"If-Match": '"99"'}), 412)
    problem(await api.client.post(f"{url}/acknowledge", json={"force": True}), 422)
    api.tenant = "other"
    problem(await api.client.post(f"{url}/acknowledge"), 404)
    api.tenant = "default"
    assert (await api.client.get(url)).json()["attention"] is not None

"""Keys from the command line to the API, as processes of their own."""

import asyncio
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import httpx

from entrypoints.local.demo_types import DEMO_TYPES
from tests.support.eventually import eventually
from tests.support.http.access import bearer
from tests.support.pages import block
from tests.support.ports import free_port
from tests.support.stack.commands import Ended, Service, Stack, environment
from tests.support.stack.fork import Forks

BIN = Path(sys.executable).parent


async def test_keys_are_created_listed_and_revoked(tmp_path: Path, forked: Forks, database_url: str) -> None:
    """`create` prints the key and nothing else to standard output; `list` shows all but what helps to use one;
    `revoke` is for good."""

    async def keys(*words: str) -> Ended:
        return await forked.run("keys", *words, cwd=tmp_path, DATABASE_URL=database_url)

    made = await keys("create", "--name", "ci", "--tenant", "a", "--scope", "submit", "--scope", "read")
    for_ever = await keys("create", "--name", "ops [b]", "--scope", "admin", "--expires", "never")
    assert (made.code, for_ever.code) == (0, 0), made
    assert re.fullmatch(r"opl_[a-z2-7]{8}_[a-z2-7]{32}\n", made.output)
    prefix, secret = made.output.strip().split("_")[1:]
    assert f"key {prefix} of ci, tenant a: read submit\n" in made.errors
    assert secret not in made.errors
    listed = await keys("list")
    lines = {line.split()[0]: line for line in listed.output.splitlines()}
    assert lines["prefix"].split() == ["prefix", "name", "tenant", "scopes", "created", "expires", "last", "used"]
    stamp = r"\d{4}-\d\d-\d\d \d\d:\d\dZ"
    assert re.fullmatch(rf" *{prefix} +ci +a +read submit +{stamp} +{stamp} +never *", lines[prefix])
    assert re.search(rf"ops \[b\] +default +admin +{stamp} +never +never", listed.output)
    assert secret not in listed.output
    assert "ops [b]" not in (await keys("list", "--tenant", "a")).output
    revoked = await keys("revoke", prefix)
    assert (revoked.code, f"key {prefix} of ci is revoked" in revoked.errors) == (0, True)
    assert re.search(rf"revoked {stamp}", (await keys("list", "--tenant", "a")).output)


async def test_keys_that_cannot_be_made(
    tmp_path: Path, forked: Forks, database_url: str, empty_database_url: str
) -> None:
    """One clear line each."""

    async def keys(*words: str, url: str = database_url) -> Ended:
        return await forked.run("keys", *words, cwd=tmp_path, **({"DATABASE_URL": url} if url else {}))

    create = ("create", "--name", "ci", "--scope", "read")
    assert "DATABASE_URL is not set" in (await keys(*create, url="")).complaint
    assert "run `opledger migrate`" in (await keys(*create, url=empty_database_url)).complaint
    assert "tenant: 1 to 255" in (await keys(*create, "--tenant", " a")).complaint
    assert "later than the creation time" in (await keys(*create, "--expires", "0s")).complaint
    assert "there is no API key aaaaaaaa" in (await keys("revoke", "aaaaaaaa")).complaint
    assert "prefix: " in (await keys("revoke", "nonsense!")).complaint
    for wrong in ((*create, "--expires", "soon"), ("create", "--name", "ci"), (*create, "--scope", "write")):
        ended = await keys(*wrong)
        assert (ended.code, "Usage" in ended.errors + ended.output) == (2, True)


async def test_keys_beside_up(stack: Stack, forked: Forks, tmp_path: Path) -> None:
    """Without DATABASE_URL the database is that of `opledger up` on the same data folder."""
    data = ("--data-dir", str(stack.data))
    made = await forked.run("keys", "create", "--name", "beside up", "--scope", "read", *data, cwd=tmp_path)
    assert made.code == 0, made
    assert "beside up" in (await forked.run("keys", "list", *data, cwd=tmp_path)).output


async def test_commands_of_the_page(tmp_path: Path, database_url: str) -> None:
    """Those of docs/access.md, one after another, on another port."""
    create, serve, ask = block("docs/access.md", "access").splitlines()
    port = free_port()
    variables = {
        "DATABASE_URL": database_url,
        "OPLEDGER_OPERATIONS": str(DEMO_TYPES),
        "OPLEDGER_PORT": str(port),
        "PATH": f"{BIN}:{os.environ['PATH']}",
    }
    printed = await asyncio.to_thread(
        subprocess.run,
        ["sh", "-c", f'{create}\nprintf %s "$KEY"'],
        cwd=tmp_path,
        env=environment(**variables),
        capture_output=True,
        text=True,
        check=True,
    )
    assignment, *api = shlex.split(serve.removesuffix("&"))
    words = shlex.split(ask)
    url = f"http://{words[words.index('-s') + 1]}".replace(":8080", f":{port}")
    name, value = words[words.index("-H") + 1].replace("$KEY", printed.stdout).split(": ")
    service = Service(*api[1:], cwd=tmp_path, **variables, **dict([assignment.split("=")]))
    try:

        async def answered() -> httpx.Response | None:
            try:
                return await asyncio.to_thread(httpx.get, url, headers={name: value}, trust_env=False, timeout=60)
            except httpx.TransportError:
                return None

        answer = await eventually(answered, "the API")
        assert answer is not None
        assert (answer.status_code, answer.json()) == (200, {"items": [], "next_page_token": None})
    finally:
        service.kill()


async def test_a_key_opens_the_api_until_it_is_revoked(tmp_path: Path, forked: Forks, database_url: str) -> None:
    """On every address of the machine; without a key 401. A revocation takes effect by itself, and when the API has
    ended the list says that the key was used."""

    async def keys(*words: str) -> Ended:
        return await forked.run("keys", *words, cwd=tmp_path, DATABASE_URL=database_url)

    key = (await keys("create", "--name", "ci", "--scope", "read")).output.strip()
    port = free_port()
    settings = {
        "OPLEDGER_ACCESS": "keys",
        "OPLEDGER_HOST": "0.0.0.0",
        "OPLEDGER_PORT": str(port),
        "OPLEDGER_OPERATIONS": str(DEMO_TYPES),
    }
    api = Service("api", cwd=tmp_path, DATABASE_URL=database_url, **settings)
    try:
        async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, timeout=60) as client:

            async def status(path: str = "/v1/operations", credential: str | None = key) -> int:
                try:
                    headers = None if credential is None else bearer(credential)
                    return (await client.get(path, headers=headers)).status_code
                except httpx.TransportError:
                    return 0

            async def live() -> bool:
                return await status("/livez", None) == 200

            async def refused() -> bool:
                return await status() == 401

            await eventually(live, "the API")
            assert [await status(), await status(credential=None)] == [200, 401]
            await keys("revoke", key.split("_")[1])
            await eventually(refused, "the revocation")
        assert await api.end() == 0
        assert key.rpartition("_")[2] not in api.said
        assert "never" not in (await keys("list")).output
    finally:
        api.kill()

"""The API behind a real nginx: links, waits, streams and timeouts."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network
from pathlib import Path
from urllib.parse import urljoin

import httpx
import pytest

from application.watch.stream import HEARTBEAT
from entrypoints.http.requests.wait_preference import MAX_WAIT
from entrypoints.http.server.slow_readers import HttpServerProtocol
from entrypoints.settings.proxy import ProxyRules
from tests.support.http.api import Api, problem
from tests.support.http.nginx import DEFAULT_READ_TIMEOUT, nginx
from tests.support.http.served import served
from tests.support.pages import block, text

pytestmark = pytest.mark.tools

LOOPBACK = (ip_network("127.0.0.0/8"),)
REMOVING = ProxyRules(trusted=LOOPBACK)
PASSING = ProxyRules(root_path="/ops")
PROXIES = [("removing", REMOVING), ("passing", PASSING)]


@asynccontextmanager
async def behind(folder: Path, api: Api, example_name: str, directives: str = "") -> AsyncIterator[httpx.AsyncClient]:
    """A client of the API through nginx, configured as docs/proxies.md has it, with more directives."""
    async with served(api.app, HttpServerProtocol) as port:
        server = block("docs/proxies.md", example_name).replace("8080", str(port)) + directives
        async with nginx(folder, server) as url, httpx.AsyncClient(base_url=url, timeout=60, trust_env=False) as client:
            yield client


@pytest.mark.parametrize(("name", "rules"), PROXIES)
async def test_all_links_work(tmp_path: Path, name: str, rules: ProxyRules) -> None:
    """Location, the server of the OpenAPI document, and everything that the page of the documentation loads."""
    async with behind(tmp_path, Api(proxies=rules), name) as client:
        made = await client.post("/ops/v1/operations", json={"type": "deploy"})
        assert made.status_code == 202
        read = await client.get(made.headers["location"])
        assert read.json() == made.json()
        document = (await client.get("/ops/openapi.json")).json()
        counts = f"{document['servers'][0]['url']}/v1/operations/counts"
        assert (await client.get(counts)).json()["by_status"]["ACCEPTED"] == 1
        page = await client.get("/ops/docs")
        links = re.findall(r'(?:src|href)="([^"]+)"', page.text)
        links += re.findall(r'url: "([^"]+)"', (await client.get("/ops/docs/initializer.js")).text)
        assert len(links) == 6
        for link in links:
            assert (await client.get(urljoin(str(page.url), link))).status_code == 200, link
        problem(await client.get("/ops/nothing"), 404)


async def test_a_client_cannot_speak_for_the_proxy(tmp_path: Path) -> None:
    """The proxy replaces what the client sends."""
    forged = {"X-Forwarded-Prefix": "/evil", "X-Forwarded-Host": "evil.example", "X-Forwarded-For": "127.0.0.1"}
    async with behind(tmp_path, Api(proxies=REMOVING), "removing") as client:
        made = await client.post("/ops/v1/operations", json={"type": "deploy"}, headers=forged)
        assert made.headers["location"].startswith("/ops/v1/operations/")
        problem(await client.get("/ops/v1/operations", headers={"Host": "evil.example"}), 421)


async def test_a_batch_of_the_largest_size_passes(tmp_path: Path) -> None:
    """The documented limit of nginx is the API's: what is larger is refused, by one of the two."""
    item = {"type": "deploy", "input": "x" * 100_000}
    async with behind(tmp_path, Api(proxies=REMOVING), "removing") as client:
        for count, status in ((40, 200), (45, 413)):
            answer = await client.post("/ops/v1/operations/batch", json={"operations": [item] * count})
            assert answer.status_code == status


async def test_a_wait_that_reaches_the_read_timeout_is_a_504(tmp_path: Path) -> None:
    """And a shorter one is answered. nginx has a scaled timeout here."""
    api = Api(proxies=REMOVING)
    made = await api.submit()
    path = f"/ops/v1/operations/{made['id']}"
    async with behind(tmp_path, api, "removing", "proxy_read_timeout 1s;") as client:
        assert (await client.get(path, params={"wait": "10ms"})).status_code == 200
        assert (await client.get(path, params={"wait": "55s"})).status_code == 504


async def test_the_longest_silence_is_below_the_default_read_timeout() -> None:
    """Of waits and of streams, with room for a slow machine; and the documentation says so."""
    assert max(MAX_WAIT, HEARTBEAT) <= DEFAULT_READ_TIMEOUT - 5
    page = text("docs/proxies.md")
    assert f"at most {MAX_WAIT} s" in page
    assert f"a comment every {HEARTBEAT:.0f} s" in page


@pytest.mark.parametrize(("name", "rules"), PROXIES)
async def test_events_are_not_held_back(tmp_path: Path, name: str, rules: ProxyRules) -> None:
    """Although nginx buffers answers by default: the first event arrives before the second happens."""
    api = Api(proxies=rules)
    async with behind(tmp_path, api, name) as client:
        made = (await client.post("/ops/v1/operations", json={"type": "deploy"})).json()
        async with client.stream("GET", f"/ops/v1/operations/{made['id']}/events") as stream:
            lines = stream.aiter_lines()
            assert [line async for line in _until(lines, "event: ")][-1] == "event: operation"
            await api.complete(made["id"], 1)
            assert [line async for line in _until(lines, "event: ")][-1] == "event: transition"
            assert [line async for line in lines if "COMPLETED" in line]


async def test_comments_keep_a_stream_open(tmp_path: Path) -> None:
    """For longer than the read timeout."""
    api = Api(proxies=REMOVING, heartbeat=0.2)
    made = await api.submit()
    path = f"/ops/v1/operations/{made['id']}/events"
    async with (
        behind(tmp_path, api, "removing", "proxy_read_timeout 4s;") as client,
        client.stream("GET", path) as stream,
    ):
        comments = 0
        async for line in stream.aiter_lines():
            comments += line.startswith(":")
            if comments == 25:
                break
        assert comments == 25


async def _until(lines: AsyncIterator[str], beginning: str) -> AsyncIterator[str]:
    """Lines up to the first that begins so."""
    async for line in lines:
        yield line
        if line.startswith(beginning):
            return

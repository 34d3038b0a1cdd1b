"""What every page of the dashboard has: its place, its headers, its static files and its theme."""

import hashlib
import re

import pytest

from entrypoints.settings.proxy import ProxyRules
from entrypoints.ui.rendering.page import local_path
from entrypoints.ui.rendering.static_files import ROOT, static_files
from tests.support.http.api import Api
from tests.support.ui.visitor import Visitor

HTMX = ROOT / "htmx"


async def test_the_first_page_is_served_at_the_root() -> None:
    """With the numbers of the ledger."""
    api = Api(with_dashboard=True)
    await api.submit()
    page = await Visitor(api).see("/")
    assert "<h1>Now</h1>" in page
    assert '<a class="brand" href="/">' in page


async def test_pages_allow_no_inline_code_and_no_frame() -> None:
    """And the browser sends an Origin with the forms."""
    answer = await Api(with_dashboard=True).client.get("/")
    policy = answer.headers["content-security-policy"]
    assert "unsafe" not in policy
    assert {"default-src 'none'", "script-src 'self'", "style-src 'self'", "frame-ancestors 'none'"} <= {
        part.strip() for part in policy.split(";")
    }
    assert answer.headers["x-content-type-options"] == "nosniff"
    assert answer.headers["cache-control"] == "no-store"
    assert answer.headers["referrer-policy"] == "same-origin"
    assert not re.search(r"<script(?![^>]*\bsrc=)|<style| style=| on[a-z]+=", answer.text)


async def test_static_files_are_cached_for_ever_under_hashed_names() -> None:
    """A page names the current ones."""
    api = Api(with_dashboard=True)
    page = await Visitor(api).see("/")
    named = set(re.findall(r'(?:src|href)="(/static/[^"]+)"', page))
    assert named == {f"/static/{file.served_as}" for file in static_files().values()}
    for path in named:
        answer = await api.client.get(path)
        assert answer.status_code == 200
        assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert hashlib.sha256(answer.content).hexdigest()[:12] in path


@pytest.mark.parametrize("name", ["app.css", "app-000000000000.css", "VERSION", "%2e%2e", "tokens.css"])
async def test_no_other_file_is_served(name: str) -> None:
    """There is a fixed table of files."""
    assert (await Api(with_dashboard=True).client.get(f"/static/{name}")).status_code == 404


def test_vendored_files_match_their_checksums() -> None:
    """Licence and version are beside them."""
    sums = dict(line.split()[::-1] for line in (HTMX / "SHA256SUMS").read_text().splitlines())
    assert {path.name for path in HTMX.iterdir()} - {"SHA256SUMS", "VERSION"} == sums.keys()
    for name, expected in sums.items():
        assert hashlib.sha256((HTMX / name).read_bytes()).hexdigest() == expected, name
    assert "LICENSE" in sums
    assert re.fullmatch(r"htmx\.org \d+\.\d+\.\d+\n", (HTMX / "VERSION").read_text())


async def test_the_theme_is_remembered_and_the_page_comes_back() -> None:
    """By a form, so without a script."""
    visitor = Visitor(Api(with_dashboard=True))
    page = await visitor.see("/")
    assert 'data-theme="system"' in page
    answer = await visitor.submit(page, "/theme", theme="dark")
    assert (answer.url.path, answer.status_code) == ("/", 200)
    assert 'data-theme="dark"' in answer.text
    assert 'value="dark" aria-pressed="true"' in answer.text


@pytest.mark.parametrize("text", ["//evil.example", "https://evil.example", "/\\evil.example", "/a\nb", "evil", ""])
def test_forms_return_only_to_paths_of_the_dashboard(text: str) -> None:
    """A link with another target would be an open redirect."""
    assert local_path(text) == "/"


def test_forms_return_to_the_page_with_its_filters() -> None:
    """The query stays as it is."""
    assert local_path("/operations?status=FAILED&label.team=a%20b") == "/operations?status=FAILED&label.team=a%20b"


async def test_links_have_the_prefix_of_the_proxy() -> None:
    """Where it publishes the ledger below a path."""
    api = Api(with_dashboard=True, proxies=ProxyRules(public_url="https://ledger.example/ops"))
    made = await api.submit()
    answer = await api.client.get("/operations")
    assert (
        f"curl https://ledger.example/ops/v1/operations/{made['id']}"
        in (await api.client.get(f"/operations/{made['id']}")).text
    )
    local = re.findall(r'(?:href|src|action|hx-sse:connect)="(/[^"]*)"', answer.text)
    assert local
    assert [path for path in local if not path.startswith("/ops/")] == []

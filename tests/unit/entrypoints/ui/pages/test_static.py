"""Static files of the dashboard, compressed for browsers that accept it."""

import gzip

import pytest

from entrypoints.ui.rendering.static_files import static_files
from tests.support.http.api import Api, raw


@pytest.mark.parametrize(
    ("accepted", "compressed"),
    [
        ("gzip, deflate, br, zstd", True),
        ("br;q=1.0, GZIP ; q=0.5", True),
        ("*", True),
        ("gzip;q=0, br", False),
        ("gzip; q=0.000", False),
        ("gzip;q=0, *", False),
        ("*;q=0", False),
        ("br", False),
        ("xgzip", False),
        ("", False),
        (None, False),
    ],
)
async def test_files_are_compressed_where_it_is_accepted(accepted: str | None, compressed: bool) -> None:
    """Caches keep both forms apart. The content is the same."""
    api, file = Api(with_dashboard=True), static_files()["app.css"]
    headers = [] if accepted is None else [(b"accept-encoding", accepted.encode())]
    answer, _ = await raw(api.app, "GET", f"/static/{file.served_as}", headers=headers)
    assert answer.status == 200
    assert answer.headers.get("content-encoding") == ("gzip" if compressed else None)
    assert answer.headers["vary"] == "Accept-Encoding"
    assert answer.headers["cache-control"] == "public, max-age=31536000, immutable"
    assert answer.headers["content-length"] == str(len(answer.body))
    assert (gzip.decompress(answer.body) if compressed else answer.body) == file.content


async def test_pages_are_never_compressed() -> None:
    """They have a token beside what the address contains: their size would tell it (BREACH)."""
    answer = await Api(with_dashboard=True).client.get("/operations", headers={"Accept-Encoding": "gzip"})
    assert "content-encoding" not in answer.headers

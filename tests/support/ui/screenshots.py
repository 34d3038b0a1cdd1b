"""Renders each page of the dashboard in both themes and three widths: `make screenshots`. Arguments: names of pages, if
only these are to be rendered.

The text is set in the font Inter where it is installed (on Debian: fonts-inter), else in the system's font.
"""

import asyncio
import base64
import shutil
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Final

from playwright.async_api import Browser, Page

from adapters.memory.clock import MemoryClock
from tests.support.http.access import Guarded
from tests.support.http.api import Api
from tests.support.ui.acting import cancel_all, count, forms, start_wrong
from tests.support.ui.chromium import chromium
from tests.support.ui.overview import START, busy, fill, types
from tests.support.ui.scenes import furnish
from tests.support.ui.window import window

TARGET: Final = Path(__file__).parents[3] / "docs/images/dashboard"
THEMES: Final = ("light", "dark")
_TO_WEBP: Final = """async (png) => {
    const picture = new Image();
    picture.src = `data:image/png;base64,${png}`;
    await picture.decode();
    const canvas = Object.assign(document.createElement("canvas"), { width: picture.width, height: picture.height });
    canvas.getContext("2d").drawImage(picture, 0, 0);
    return canvas.toDataURL("image/webp", 0.85);
}"""
SIZES: Final = ((360, 760), (1280, 800), (2560, 1440))


@dataclass
class Scene:
    """A page to render."""

    api: Api
    path: str
    act: Callable[[Page], Awaitable[None]] | None = None
    """What to do on it first."""
    secret: str | None = None
    """The API key to sign in with."""


async def main(names: Sequence[str]) -> None:
    """Writes PAGE-THEME-WIDTH.webp for each page, or for those with these names."""
    scenes = await _scenes()
    if not names:
        shutil.rmtree(TARGET, ignore_errors=True)
    TARGET.mkdir(parents=True, exist_ok=True)
    async with chromium() as browser:
        for name in names or scenes:
            for theme in THEMES:
                await _take(browser, scenes[name], theme, name)


async def _scenes() -> dict[str, Scene]:
    full = Api(with_dashboard=True, actor="ci-7f2k")
    made = await furnish(full)
    overview = Api(with_dashboard=True, actor="ci-7f2k", clock=MemoryClock(START), catalogue=types("release"))
    overview.drift.watermark_age, overview.drift.worker_age = timedelta(seconds=41), timedelta(seconds=3)
    await fill(overview, "release")
    cancelled = await cancel_all(overview)
    starting = Api(with_dashboard=True, actor="ci-7f2k", clock=MemoryClock(START), catalogue=forms())
    guarded = await busy("release")
    return {
        "now": Scene(overview, "/"),
        "types": Scene(overview, "/types"),
        "type": Scene(overview, "/types/one?name=deploy&window=hour"),
        "health": Scene(overview, "/health"),
        "start-types": Scene(starting, "/start"),
        "start": Scene(starting, "/start?type=deploy"),
        "start-errors": Scene(starting, "/start?type=deploy", start_wrong),
        "operations": Scene(full, "/operations"),
        "bulk": Scene(overview, "/operations?type=deploy&status=RUNNING", count),
        "targets": Scene(overview, f"/operations/{cancelled}"),
        "targets-all": Scene(overview, f"/operations/{cancelled}/targets"),
        "keys": Scene(guarded, "/keys", secret=guarded.secret),
        "completed": Scene(full, f"/operations/{made['completed']}"),
        "error": Scene(full, "/operations/019b76da-a800-7000-8000-0000000000ff"),
        "failed": Scene(full, f"/operations/{made['failed']}"),
        "running": Scene(full, f"/operations/{made['running']}"),
        "attention": Scene(full, f"/operations/{made['stuck']}"),
        "empty": Scene(Api(with_dashboard=True), "/operations"),
        "sign-in": Scene(Guarded(with_dashboard=True), "/sign-in"),
    }


async def _take(browser: Browser, scene: Scene, theme: str, name: str) -> None:
    async with window(browser, scene.api, color_scheme=theme, expected=("422", "404")) as page:
        if scene.secret is not None:
            await page.goto("/sign-in")
            await page.get_by_label("API key").fill(scene.secret)
            await page.get_by_role("button", name="Sign in").click()
            await page.get_by_role("heading", name="Now", exact=True).wait_for()
        for width, height in SIZES:
            await page.set_viewport_size({"width": width, "height": height})
            await page.goto(scene.path)
            if scene.act is not None:
                await scene.act(page)
            (TARGET / f"{name}-{theme}-{width}.webp").write_bytes(await _small(browser, await page.screenshot()))


async def _small(browser: Browser, png: bytes) -> bytes:
    """The picture in a format that takes a third of the space."""
    page = await browser.new_page()
    try:
        url = await page.evaluate(_TO_WEBP, base64.b64encode(png).decode())
    finally:
        await page.close()
    return base64.b64decode(url.partition(",")[2])


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))

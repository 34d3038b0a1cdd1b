"""A browser without scripts: follows redirects, keeps cookies, and sends the forms of the pages."""

from html.parser import HTMLParser
from typing import Any

import httpx

from tests.support.http.api import Api


class Visitor:
    """Visits the dashboard of an application."""

    def __init__(self, api: Api) -> None:
        transport = httpx.ASGITransport(app=api.app, raise_app_exceptions=True)  # type: ignore[arg-type]
        self.client = httpx.AsyncClient(transport=transport, base_url="http://localhost", follow_redirects=True)

    async def see(self, path: str) -> str:
        """The page, which must be there."""
        answer = await self.client.get(path)
        assert answer.status_code == 200, answer.text
        return answer.text

    async def submit(self, page: str, action: str, **fields: str) -> httpx.Response:
        """Sends the form of a page with that action, with its hidden fields and these."""
        hidden = next(form.hidden for form in forms(page) if form.action == action)
        return await self.client.post(action, data={**hidden, **fields})


class Form:
    """A form of a page."""

    def __init__(self, action: str, name: str = "") -> None:
        self.action = action
        self.name = name
        self.hidden: dict[str, str] = {}
        self.buttons: list[dict[str, str | None]] = []


class _Forms(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[Form] = []
        self.elsewhere: list[tuple[str, str]] = []
        """The form and the action of each button that is not in its form."""

    def handle_starttag(self, tag: str, attrs: Any) -> None:
        given = dict(attrs)
        if tag == "form":
            self.found.append(Form(given.get("action", ""), given.get("id", "")))
        elif tag == "input" and given.get("type") == "hidden":
            self.found[-1].hidden[given["name"]] = given["value"]
        elif tag == "button" and {"form", "formaction"} <= given.keys():
            self.elsewhere.append((given["form"], given["formaction"]))
        elif tag == "button" and self.found:
            self.found[-1].buttons.append(given)


def forms(page: str) -> list[Form]:
    """The forms of a page, in their order; then, as forms of their own, the buttons that send one elsewhere."""
    parser = _Forms()
    parser.feed(page)
    for name, action in parser.elsewhere:
        form = Form(action)
        form.hidden = next(each.hidden for each in parser.found if each.name == name)
        parser.found.append(form)
    return parser.found

"""Requests and answers as the pages show them: sends the one, and compares the other with what came."""

import argparse
import json
import re
import shlex
from dataclasses import dataclass, field
from string import Template
from typing import Any

import httpx

DIFFERS = "…"


def curl(command: str) -> argparse.Namespace:
    """What the command asks for; anything that is not read here is an error."""
    parser = argparse.ArgumentParser(add_help=False)
    parser.add_argument("program", choices=["curl"])
    parser.add_argument("url")
    parser.add_argument("-s", action="store_true")
    parser.add_argument("-i", action="store_true", required=True)
    parser.add_argument("-X", dest="method")
    parser.add_argument("-H", dest="headers", action="append", default=[])
    parser.add_argument("-d", dest="body")
    return parser.parse_args(shlex.split(command.replace("\\\n", " ")))


@dataclass
class Reader:
    """Types the commands of the page, with the values that earlier answers had."""

    http: httpx.AsyncClient
    seen: dict[str, str] = field(default_factory=dict)

    async def send(self, command: str) -> httpx.Response:
        """Run a command."""
        quoted = {name: text.replace('"', '\\"') for name, text in self.seen.items()}
        asked = curl(Template(command).substitute(quoted))
        form = {} if asked.body is None else {"content-type": "application/x-www-form-urlencoded"}
        given = dict(header.split(": ", 1) for header in asked.headers)
        return await self.http.request(
            asked.method or ("GET" if asked.body is None else "POST"),
            asked.url.removeprefix("localhost:8080"),
            content=asked.body,
            headers=form | given,
        )

    def remember(self, answer: httpx.Response) -> None:
        """What later commands may name."""
        body = json.loads(answer.content or "{}")
        found = {"ID": body.get("id"), "NEXT": body.get("next_page_token"), "ETAG": answer.headers.get("etag")}
        found["CONFIRM"] = body.get("confirm")
        self.seen |= {name: text for name, text in found.items() if text is not None}


def differences(shown: str, answer: httpx.Response) -> list[str]:
    """Where the answer is not as it is shown."""
    head, _, body = shown.partition("\n\n")
    first, *headers = head.strip().splitlines()
    found = []
    if first != f"HTTP/1.1 {answer.status_code} {answer.reason_phrase}":
        found.append(f"{first}: {answer.status_code} {answer.reason_phrase} {answer.text}")
    for name, _, value in (line.partition(": ") for line in headers):
        seen = answer.headers.get(name, "")
        if not re.fullmatch(".+".join(map(re.escape, value.split(DIFFERS))), seen):
            found.append(f"{name}: {seen!r} is not {value!r}")
    if body.strip():
        found += unlike(json.loads(body), json.loads(answer.content), "body")
    elif answer.content:
        found.append(f"there is a body: {answer.text}")
    return found


def unlike(shown: Any, seen: Any, place: str) -> list[str]:
    """Where what is seen lacks something that is shown. A last item `…` of a list is for any number of others."""
    if shown == DIFFERS:
        return [] if seen is not None else [f"{place} is null"]
    if isinstance(shown, dict) and isinstance(seen, dict):
        missing = [f"{place}.{name} is missing" for name in shown.keys() - seen.keys()]
        common = (name for name in shown if name in seen)
        return missing + [each for name in common for each in unlike(shown[name], seen[name], f"{place}.{name}")]
    if isinstance(shown, list) and isinstance(seen, list):
        if shown and shown[-1] == DIFFERS and len(seen) >= len(shown):
            shown, seen = shown[:-1], seen[: len(shown) - 1]
        if len(shown) != len(seen):
            return [f"{place} has {len(seen)} items, not {len(shown)}"]
        return [each for n, pair in enumerate(zip(shown, seen, strict=True)) for each in unlike(*pair, f"{place}[{n}]")]
    return [] if shown == seen else [f"{place} is {seen!r}, not {shown!r}"]

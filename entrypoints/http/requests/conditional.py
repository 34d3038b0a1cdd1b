"""Conditional requests (RFC 9110, section 13): the entity tag begins with the operation's version."""

import re
from typing import Final

from application.ports.storage.operation_view import OperationDetails, OperationView
from domain.errors import VersionMismatch
from domain.operation.preconditions import ExpectedVersion
from domain.operation.status import OperationStatus
from entrypoints.http.problems.problems import InvalidHeader

_TAG: Final = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_TAGS: Final = re.compile(rf"[ \t,]*+{_TAG}(?:[ \t]*+,[ \t,]*+{_TAG})*[ \t,]*+")
_EACH: Final = re.compile(_TAG)
_VERSION: Final = re.compile(r'"([1-9][0-9]{0,9})(?:\.[0-9]+)*"')


def entity_tag(operation: OperationDetails) -> str:
    """A strong entity tag: the version and, for a parent, the number of children of each status. Equal tags have equal
    representations."""
    children = [operation.children.get(status, 0) for status in OperationStatus] if operation.children else []
    return f'"{".".join(map(str, [operation.version, *children]))}"'


def has_version(tags: list[str], operation: OperationView) -> bool:
    """Whether one of the entity tags, weak ones included, has the operation's version."""
    found = (_VERSION.fullmatch(tag.removeprefix("W/")) for tag in tags)
    return any(version is not None and int(version[1]) == operation.version for version in found)


def matches(if_none_match: list[str], tag: str) -> bool:
    """Whether the client has this representation, by weak comparison. An invalid header is ignored, as the RFC says."""
    tags = entity_tags(if_none_match)
    return tags is not None and ("*" in tags or tag in {each.removeprefix("W/") for each in tags})


def expected_version(if_match: list[str]) -> ExpectedVersion:
    """The versions that If-Match allows; None (no header, or `*`) allows any. The comparison is strong: weak tags and
    tags that are no version match nothing. Raises InvalidHeader."""
    tags = entity_tags(if_match) if if_match else ["*"]
    if tags is None:
        raise InvalidHeader("If-Match", 'must be * or a list of entity tags such as "3"')
    if tags == ["*"]:
        return None
    return frozenset(int(found[1]) for found in map(_VERSION.fullmatch, tags) if found)


def with_weak_tags(error: VersionMismatch, if_match: list[str]) -> VersionMismatch:
    """The error, with a hint if the client sent a weak tag."""
    if not any(tag.startswith("W/") for tag in entity_tags(if_match) or ()):
        return error
    return VersionMismatch(f"{error}; If-Match never matches a weak tag; remove the W/")


def entity_tags(values: list[str]) -> list[str] | None:
    """The entity tags of a header (RFC 9110, 8.8.3), or `*` alone. None: the header is invalid."""
    header = ", ".join(values)
    if header.strip(" \t") == "*":
        return ["*"]
    return _EACH.findall(header) if _TAGS.fullmatch(header) else None

"""Conditional requests (RFC 9110, section 13): the entity tag is the operation's version."""

import re
from typing import Final

from application.ports.operation_view import OperationView
from domain.errors import VersionMismatch
from domain.operation.expected_version import ExpectedVersion
from entrypoints.http.problems.problems import InvalidHeader

_TAG: Final = r'(?:W/)?"[\x21\x23-\x7e\x80-\xff]*"'
_TAGS: Final = re.compile(rf"[ \t,]*+{_TAG}(?:[ \t]*+,[ \t,]*+{_TAG})*[ \t,]*+")
_EACH: Final = re.compile(_TAG)
_VERSION: Final = re.compile(r'"([1-9][0-9]{0,9})"')


def entity_tag(operation: OperationView) -> str:
    """The version as a strong entity tag: equal versions have equal representations."""
    return f'"{operation.version}"'


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

"""Conditional requests (RFC 9110, section 13): the entity tag is the operation's version."""

import re

from application.ports.operation_view import OperationView
from domain.expected_version import ExpectedVersion
from entrypoints.http.problems import InvalidHeader

_TAG = re.compile(r'(?:W/)?("[\x21\x23-\x7e\x80-\xff]*")')
_TAGS = re.compile(rf"{_TAG.pattern}(?:[ \t]*,[ \t]*{_TAG.pattern})*")
_VERSION = re.compile(r'(?<!W/)"([1-9][0-9]{0,9})"')


def entity_tag(operation: OperationView) -> str:
    """Strong: the same version is the same answer."""
    return f'"{operation.version}"'


def matches(if_none_match: list[str], tag: str) -> bool:
    """Whether the client has this version already. A header that makes no sense is ignored, as the RFC has it."""
    header = ", ".join(if_none_match).strip()
    return header == "*" or tag in _TAG.findall(header)


def expected_version(if_match: list[str]) -> ExpectedVersion:
    """The versions that a change is meant for; `*`, as no header, is any. Weak tags and those of something else match
    nothing. Raises InvalidHeader for a header that makes no sense: ignoring it would change what was not meant."""
    header = ", ".join(if_match).strip()
    if not if_match or header == "*":
        return None
    if not _TAGS.fullmatch(header):
        raise InvalidHeader("If-Match", 'it is * or entity tags such as "3"')
    return frozenset(int(version) for version in _VERSION.findall(header))

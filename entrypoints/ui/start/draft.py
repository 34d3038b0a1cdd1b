"""The texts of the page Start, and the submission that is made from them."""

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Final

from application.submit.requests import SubmissionRequest
from domain.errors import InvalidInput, OpledgerError, Violation
from domain.operation.operation import MISSING, Input
from domain.operation.operation_type import OperationType
from domain.scheduling.start_time import StartTime
from entrypoints.http.problems.kinds import MAX_BODY
from entrypoints.http.problems.problems import InvalidParameter
from entrypoints.http.requests.idempotency_key import KEY_RULE, is_key
from entrypoints.http.requests.query_params import instant
from entrypoints.settings.durations import RULE, parse_duration
from entrypoints.ui.start.fields import PREFIX, Field, fields_of
from entrypoints.ui.start.label_lines import read_labels, write_labels
from entrypoints.ui.start.values import Texts, Unreadable, initial, parsed, read, written

INPUT: Final = "/input"
KEY: Final = "/idempotency_key"
_LOCAL: Final = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d(?P<seconds>:\d\d(\.\d{1,3})?)?", re.ASCII)
"""A time as browsers send it."""
Check = Callable[[SubmissionRequest], OpledgerError | None]
"""Returns why a submission would be refused, or None."""


@dataclass(frozen=True, slots=True)
class Draft:
    """The texts of the page."""

    type: OperationType
    fields: tuple[Field, ...] | None
    """None: the input can be typed as JSON only."""
    key: str
    """Idempotency key: two submissions of the same page start one operation."""
    as_json: bool = False
    """Whether the input is typed as JSON."""
    texts: Texts = field(default_factory=dict)
    raw: str = ""
    """The JSON."""
    labels: str = ""
    delay: str = ""
    start_at: str = ""

    @property
    def schema_id(self) -> str:
        """Identifies the schema of the type. The texts of fields belong to one schema."""
        return hashlib.sha256(json.dumps(self.type.input_schema).encode()).hexdigest()[:16]

    @property
    def has_local_time(self) -> bool:
        """Whether a browser's date field can hold the start time."""
        return not self.start_at or _LOCAL.fullmatch(self.start_at) is not None

    def with_input(self, value: Input) -> "Draft":
        """The draft that shows the input: in fields if they can hold it."""
        if value is MISSING:
            return replace(self, as_json=self.fields is None, texts={}, raw="")
        texts = None if self.fields is None else written(self.fields, value)
        if texts is None:
            return replace(self, as_json=True, raw=_pretty(value))
        return replace(self, as_json=False, texts=texts)

    def read_input(self) -> tuple[Input, list[Violation]]:
        """The input, and the violations of texts that are not in it."""
        if not self.as_json:
            return read(self.fields or (), self.texts)
        if not self.raw.strip():
            return MISSING, []
        try:
            return parsed(self.raw, INPUT), []
        except Unreadable as error:
            return MISSING, [error.violation]


def empty(declared: OperationType, key: str, *, as_json: bool = False) -> Draft:
    """The page before anything is typed: it has the defaults of the schema."""
    fields = fields_of(declared.input_schema)
    return Draft(declared, fields, key, as_json or fields is None, initial(fields or ()))


def again(declared: OperationType, key: str, value: Input, labels: Any) -> Draft:
    """The page with the input and the labels of an operation."""
    draft = Draft(declared, fields_of(declared.input_schema), key, labels=write_labels(labels))
    return draft.with_input(value)


def typed(declared: OperationType, posted: Texts) -> Draft:
    """The page as it was sent. Browsers send line breaks as CRLF."""
    texts = {name: text.replace("\r\n", "\n") for name, text in posted.items()}
    fields = fields_of(declared.input_schema)
    return Draft(
        declared,
        fields,
        texts.get("key", ""),
        texts.get("as") == "json" or fields is None,
        {name: text for name, text in texts.items() if name.startswith(PREFIX)},
        texts.get("json", ""),
        texts.get("labels", ""),
        texts.get("delay", "").strip(),
        texts.get("start_at", "").strip(),
    )


def switched(draft: Draft) -> tuple[Draft, list[Violation]]:
    """The same input in the other form, JSON in place of fields or fields in place of JSON. If the other form cannot
    hold it: the unchanged draft, and why."""
    value, violations = draft.read_input()
    if violations:
        return draft, violations
    if not draft.as_json:
        return replace(draft, as_json=True, raw=_pretty(value)), []
    if value is MISSING:
        return replace(draft, as_json=False, texts={}), []
    shown = draft.with_input(value)
    return (shown, []) if not shown.as_json else (draft, [Violation(_ONLY_JSON, INPUT)])


def submission(draft: Draft, check: Check) -> tuple[SubmissionRequest, list[Violation]]:
    """The submission, and all reasons why it is refused: what cannot be read, and what the service refuses."""
    value, unread = draft.read_input()
    unread = [*unread, *_input_errors(value)]
    labels, wrong_labels = read_labels(draft.labels)
    start, wrong_start = _start(draft)
    wrong_key = [] if is_key(draft.key) else [Violation(f"idempotency key: {KEY_RULE}", KEY)]
    request = SubmissionRequest(draft.type.name, value, labels, draft.key, None, start)
    refusal = check(request)
    refused = refusal.violations if isinstance(refusal, InvalidInput) else ()
    more = [each for each in refused if not _covered(each.pointer, unread)]
    return request, [*unread, *wrong_labels, *wrong_start, *wrong_key, *more]


def _input_errors(value: Any) -> list[Violation]:
    """The violations for which the API refuses a request before it checks the schema."""
    if value is MISSING:
        return []
    text = json.dumps(value, ensure_ascii=False)
    if len(text.encode()) > MAX_BODY:
        return [Violation(f"the input has more than {MAX_BODY} bytes", INPUT)]
    try:
        parsed(text, INPUT)
    except Unreadable as error:
        return [error.violation]
    return []


def _start(draft: Draft) -> tuple[StartTime, list[Violation]]:
    delay: timedelta | None = None
    at: datetime | None = None
    violations = []
    try:
        delay = parse_duration(draft.delay) if draft.delay else None
    except ValueError:
        violations.append(Violation(f"delay: must be {RULE}", "/delay"))
    try:
        at = instant("start_at", _in_utc(draft.start_at) or None)
    except InvalidParameter as error:
        violations.append(Violation(f"start_at: {error.errors[0].detail}", "/start_at"))
    return StartTime(at, delay), violations


def _in_utc(text: str) -> str:
    """The time of a browser's date field, which has no zone and may have no seconds, as a time in UTC."""
    local = _LOCAL.fullmatch(text)
    return text if local is None else f"{text}{'' if local['seconds'] else ':00'}Z"


def _covered(pointer: str, violations: Sequence[Violation]) -> bool:
    """Whether a violation is about the same value, or about one that contains it."""
    return any(pointer == each.pointer or pointer.startswith(f"{each.pointer}/") for each in violations)


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


_ONLY_JSON: Final = "the form cannot hold this value: it has properties without a field, or values of another kind"

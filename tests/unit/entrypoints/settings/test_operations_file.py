"""The operations file: lookup, declarations, and errors that name the place."""

from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from domain.errors import StartupError, UnknownOperationType
from domain.operation.operation_type import FOREVER, Retain
from domain.operation.start.arguments import Arguments
from domain.operation.start.workflow_id_policy import OnClosed, OnRunning
from domain.operation.start.workflow_id_template import WorkflowIdTemplate
from entrypoints.local.demo_types import DEMO_TYPES
from entrypoints.own_workflow import RECONCILE_WORKFLOW
from entrypoints.settings.operations_file import LOCAL, find_operations_file, load_catalogue, operations_file
from opledger.wire import LEDGER_TASK_QUEUE
from tests.support.pages import block

GOOD = """
[operations.move-data]
workflow = "MoveData"
task_queue = "movers"
execution_timeout = "1h30m"
retry_policy = { maximum_attempts = 3, initial_interval = "2s", non_retryable_error_types = ["Gone"] }
input_schema = { type = "array" }
arguments = "spread"
"""
SCALAR = """
[operations.a]
workflow = 'w'
task_queue = 'q'
input_schema = { type = "object", required = ["m"], properties = { m = { type = "string" }, x = { type = "string" } } }
"""


def test_the_demo_declares_three_types() -> None:
    """deploy, commission and release of a machine."""
    assert {declared.name for declared in load_catalogue(DEMO_TYPES)} == {"deploy", "commission", "release"}


def test_a_declaration_is_read(tmp_path: Path) -> None:
    """Type, workflow name, task queue, timeouts, retry policy, schema, arguments."""
    path = tmp_path / "operations.toml"
    path.write_text(GOOD)
    declared = load_catalogue(path).get("move-data")
    assert (declared.workflow, declared.task_queue) == ("MoveData", "movers")
    assert declared.execution_timeout == timedelta(hours=1, minutes=30)
    assert declared.retry_policy is not None
    assert declared.retry_policy.maximum_attempts == 3
    assert declared.retry_policy.non_retryable_error_types == ("Gone",)
    assert declared.arguments is Arguments.SPREAD
    with pytest.raises(UnknownOperationType, match="move-data"):
        load_catalogue(path).get("nope")


def test_workflow_id_and_policies_are_read(tmp_path: Path) -> None:
    """Without them: no template, reject, allow."""
    path = tmp_path / "operations.toml"
    path.write_text(f"{SCALAR}\nworkflow_id = 'd-{{input.m}}'\non_running = 'use_existing'\non_closed = 'allow_failed'")
    declared = load_catalogue(path).get("a")
    assert declared.workflow_id == WorkflowIdTemplate.parse("d-{input.m}")
    assert (declared.on_running, declared.on_closed) == (OnRunning.USE_EXISTING, OnClosed.ALLOW_FAILED)
    path.write_text(SCALAR)
    declared = load_catalogue(path).get("a")
    assert (declared.workflow_id, declared.on_running, declared.on_closed) == (None, OnRunning.REJECT, OnClosed.ALLOW)


def test_retention_of_a_type_is_read(tmp_path: Path) -> None:
    """An outcome without an age has the general one, which differs from `off`."""
    path = tmp_path / "operations.toml"
    path.write_text(f"{SCALAR}\nretain = {{ completed = '1d', failed = 'off' }}")
    assert load_catalogue(path).get("a").retain == Retain(timedelta(days=1), FOREVER)
    path.write_text(f"{SCALAR}\nretain = {{ failed = '36h' }}")
    assert load_catalogue(path).get("a").retain == Retain(None, timedelta(hours=36))
    path.write_text(SCALAR)
    assert load_catalogue(path).get("a").retain == Retain()


def test_example_of_the_retention_page_is_read(tmp_path: Path) -> None:
    """docs/retention.md."""
    path = tmp_path / "operations.toml"
    path.write_text(block("docs/retention.md", "retention"))
    catalogue = load_catalogue(path)
    assert catalogue.get("deploy").retain == Retain(timedelta(days=7), timedelta(days=90))
    assert catalogue.get("audit").retain == Retain(FOREVER, FOREVER)


def test_example_of_a_shared_workflow_type_is_read(tmp_path: Path) -> None:
    """docs/adopt.md."""
    path = tmp_path / "operations.toml"
    path.write_text(block("docs/adopt.md", "shared workflow type"))
    assert load_catalogue(path).owners_of_workflow("OrderWorkflow") == {"eu", "us"}


def test_example_of_the_page_is_read(tmp_path: Path) -> None:
    """docs/workflow-ids.md."""
    path = tmp_path / "operations.toml"
    path.write_text(block("docs/workflow-ids.md", "workflow ids"))
    declared = load_catalogue(path).get("deploy")
    assert declared.workflow_id is not None
    assert declared.workflow_id.fill(UUID(int=1), "acme", {"machine": "m1"}, {}) == "deploy-m1"
    assert declared.on_running is OnRunning.TERMINATE


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[operations.a]\ntask_queue = 'q'", "workflow"),
        ("[operations.a]\nworkflow = 'w'\ntask_queue = ''", "task_queue"),
        ("[operations.a]\nworkflow = 'w'\ntask_queue = 'q'\ntimeout = '1s'", "timeout"),
        ("[operations.a]\nworkflow = 'w'\ntask_queue = 'q'\nrun_timeout = 'long'", "duration"),
        ("[operations.a]\nworkflow = 'w'\ntask_queue = 'q'\narguments = 'many'", "arguments"),
        (f"{SCALAR}\nworkflow_id = 'd-{{input.x}}'", "operations.a.workflow_id: 'd-{input.x}' names {input.x}"),
        (f"{SCALAR}\nworkflow_id = 'd-{{input'", "operations.a.workflow_id: 'd-{input' has a single '{'"),
        (f"{SCALAR}\nworkflow_id = ''", "workflow_id"),
        (f"{SCALAR}\non_running = 'reject'", "operations.a.on_running: needs workflow_id"),
        (f"{SCALAR}\non_closed = 'allow'", "operations.a.on_closed: needs workflow_id"),
        (f"{SCALAR}\nretain = {{ completed = '23h' }}", "operations.a.retain.completed: must be off, or at least 1d"),
        (f"{SCALAR}\nretain = {{ failed = '90' }}", "expected a duration such as"),
        (f"{SCALAR}\nretain = {{ failed = 90 }}", r"or off - at `\$.operations\[...\].retain.failed`"),
        (f"{SCALAR}\nretain = {{ cancelled = '9d' }}", "unknown field `cancelled`"),
        (f"{SCALAR}\nretain = '9d'", r"\$.operations\[...\].retain`"),
        (f"{SCALAR}\nworkflow_id = 'w'\non_running = 'kill'", "on_running"),
        (
            f"{SCALAR}\nworkflow_id = 'w'\non_running = 'terminate'\non_closed = 'reject'",
            'operations.a.on_closed: "reject" contradicts on_running = "terminate"',
        ),
        ("[operations.'A b']\nworkflow = 'w'\ntask_queue = 'q'", "lower-case"),
        ("[operations", "operations.toml"),
        ("", "operations"),
    ],
)
def test_an_invalid_file_is_named_in_one_line(text: str, words: str, tmp_path: Path) -> None:
    """With the place in it."""
    path = tmp_path / "operations.toml"
    path.write_text(text)
    with pytest.raises(StartupError, match=words) as caught:
        load_catalogue(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)


ORDER = """
[operations.order]
workflow = "OrderWorkflow"
task_queue = "shop"
adopt = true
query = "Region = 'eu'"
tenant = "shop"
labels = { team = "shop" }
"""


def test_watch_rule_is_read(tmp_path: Path) -> None:
    """Whether the type adopts, what, for which tenant, and with which labels."""
    path = tmp_path / "operations.toml"
    path.write_text(ORDER)
    declared = load_catalogue(path).get("order")
    assert (declared.adopt, declared.query, declared.tenant) == (True, "Region = 'eu'", "shop")
    assert declared.labels == {"team": "shop"}


@pytest.mark.parametrize(
    ("before", "after", "words"),
    [
        ("OrderWorkflow", RECONCILE_WORKFLOW, "order.adopt: the ledger's own workflows cannot be adopted"),
        ('"shop"\nadopt', f'"{LEDGER_TASK_QUEUE}"\nadopt', "order.adopt: the ledger's own workflows cannot be adopted"),
        ("adopt = true", "adopt = false", "order.query is the condition of a watch rule, and needs adopt = true"),
        ('team = "shop"', '"-" = "shop"', "order.labels.-: label key"),
        ('tenant = "shop"', 'tenant = ""', "tenant"),
    ],
)
def test_invalid_watch_rule_is_refused(before: str, after: str, words: str, tmp_path: Path) -> None:
    """With its place in the file."""
    path = tmp_path / "operations.toml"
    path.write_text(ORDER.replace(before, after))
    with pytest.raises(StartupError) as refused:
        load_catalogue(path)
    assert words in str(refused.value)


TWO_TENANTS = """
[operations.sale]
workflow = "OrderWorkflow"
task_queue = "shop"
adopt = true
"""


@pytest.mark.parametrize(
    ("second", "refused"),
    [
        ('tenant = "finance"', True),
        ("", True),  # the default tenant
        ('tenant = "finance"\nquery = "Region = \'us\'"', False),
        ('tenant = "shop"', False),
        ('tenant = "finance"\nworkflow = "Sale"', False),
        ('tenant = "finance"\nadopt = false', False),
    ],
)
def test_rules_of_two_tenants_for_one_workflow_type_need_queries(second: str, refused: bool, tmp_path: Path) -> None:
    """Without them, chance would decide whose operation an execution becomes."""
    path = tmp_path / "operations.toml"
    replaced = [line for line in TWO_TENANTS.splitlines() if f"{line.split(' ')[0]} =" not in second]
    path.write_text("\n".join([ORDER, *replaced, second]))
    if not refused:
        assert load_catalogue(path).get("sale").name == "sale"
        return
    with pytest.raises(StartupError) as caught:
        load_catalogue(path)
    reason = "a query is required: operations.order adopts executions of 'OrderWorkflow' for another tenant"
    assert str(caught.value) == f"{path}: operations.sale: {reason}"


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    """It is not replaced by the default file."""
    with pytest.raises(StartupError, match=r"nowhere\.toml"):
        load_catalogue(operations_file(str(tmp_path / "nowhere.toml")))


def test_without_a_file_the_error_says_how_to_declare_a_type(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No type is built in."""
    monkeypatch.chdir(tmp_path)
    assert find_operations_file(None) is None
    with pytest.raises(StartupError, match=r"no operation type is declared.*OPLEDGER_OPERATIONS.*`opledger init`"):
        operations_file(None)


def test_the_file_in_the_working_folder_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Unless the settings name another one."""
    monkeypatch.chdir(tmp_path)
    LOCAL.write_text(GOOD)
    assert operations_file(None) == LOCAL
    assert operations_file("other.toml") == Path("other.toml")


def test_names_of_the_ledger_s_own_types_are_refused(tmp_path: Path) -> None:
    """They begin with `opledger.`"""
    path = tmp_path / LOCAL
    path.write_text("[operations.\"opledger.cancel\"]\nworkflow = 'w'\ntask_queue = 'q'\n")
    with pytest.raises(StartupError, match=r"operations\.opledger\.cancel: names that begin with opledger\. are"):
        load_catalogue(path)

"""`opledger.submit`: an operation exists exactly if the caller's transaction commits, for the caller's tenant alone."""

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from adapters.postgres.unit_of_work import PostgresUnitsOfWork
from domain.operation.operation import Cause, Operation
from domain.operation.start.creation import accept
from domain.operation.start.labels import label_violations
from domain.operation.transition import Source
from tests.integration.postgres.transactional.conftest import Team, as_role
from tests.support.eventually import eventually

Connect = Callable[[str], Awaitable["asyncpg.Connection[Any]"]]
SUBMIT = "SELECT opledger.submit('deploy', '{\"machine\": \"m1\"}')"
KEYED = "SELECT opledger.submit('deploy', $1, idempotency_key => 'order-1')"


async def stored(engine: AsyncEngine) -> list[Operation]:
    """Returns all operations, oldest first."""
    async with PostgresUnitsOfWork(engine)() as unit, engine.connect() as connection:
        ids = (await connection.exec_driver_sql("SELECT id FROM opledger.operations ORDER BY accepted_at")).scalars()
        found = await unit.operations.get_all([UUID(str(each)) for each in ids])
    return sorted(found.values(), key=lambda operation: operation.accepted_at)


async def count(engine: AsyncEngine, table: str) -> int:
    """Returns the number of rows."""
    async with engine.connect() as connection:
        return int((await connection.exec_driver_sql(f"SELECT count(*) FROM opledger.{table}")).scalar_one())


async def test_commit_stores_what_post_stores(team: Team, connect: Connect, postgres_engine: AsyncEngine) -> None:
    """Row, history line and counts, as `accept` makes them."""
    url = await team("acme")
    connection = await connect(url)
    async with connection.transaction():
        await connection.execute("INSERT INTO public.machines VALUES ('m1')")
        made = await connection.fetchval(
            """SELECT opledger.submit('deploy', '{"machine": "m1"}', labels => '{"team": "a"}', delay => '1 hour')"""
        )
        assert await stored(postgres_engine) == []
    [row] = await stored(postgres_engine)
    expected = accept(
        row.id,
        tenant="acme",
        type_name="deploy",
        value={"machine": "m1"},
        labels={"team": "a"},
        cause=Cause(Source.CLIENT, "accepted", row.accepted_at),
        start_at=row.start_at,
    )
    assert (row.id, row.id.version, row.unchecked) == (UUID(str(made)), 7, True)
    from dataclasses import replace

    assert replace(row, unchecked=False) == expected.operation
    assert row.start_at is not None
    assert (row.start_at - row.accepted_at).total_seconds() == 3600
    async with postgres_engine.connect() as checking:
        line = (await checking.exec_driver_sql("SELECT * FROM opledger.transitions")).one()
        assert (line.sequence, line.from_status, line.to_status, line.source) == (1, None, "ACCEPTED", "CLIENT")
        assert (line.reason, line.at, line.details) == ("accepted", row.accepted_at, "{}")
        assert f"//{line.actor}@" in url
        counted = await checking.exec_driver_sql("SELECT tenant, type, status, change FROM opledger.operation_counts")
        assert [tuple(each) for each in counted] == [("acme", "deploy", "ACCEPTED", 1)]


async def test_rollback_leaves_nothing(team: Team, connect: Connect, postgres_engine: AsyncEngine) -> None:
    """No operation, no history, no key, and no change of the team."""
    connection = await connect(await team("acme"))
    transaction = connection.transaction()
    await transaction.start()
    await connection.execute("INSERT INTO public.machines VALUES ('m1')")
    await connection.fetchval(KEYED, "{}")
    await transaction.rollback()
    for table in ("operations", "transitions", "idempotency_keys", "operation_counts", "operation_throughput_changes"):
        assert await count(postgres_engine, table) == 0
    assert await connection.fetchval("SELECT count(*) FROM public.machines") == 0


async def test_a_savepoint_takes_back_what_came_after_it(
    team: Team, connect: Connect, postgres_engine: AsyncEngine
) -> None:
    """The rest of the transaction is committed; a key of the savepoint is free again."""
    connection = await connect(await team("acme"))
    async with connection.transaction():
        first = await connection.fetchval(SUBMIT)
        savepoint = connection.transaction()
        await savepoint.start()
        taken_back = await connection.fetchval(KEYED, "{}")
        await savepoint.rollback()
        again = await connection.fetchval(KEYED, "{}")
    assert {row.id for row in await stored(postgres_engine)} == {UUID(str(first)), UUID(str(again))}
    assert taken_back != again


async def test_a_killed_connection_leaves_nothing(team: Team, connect: Connect, postgres_engine: AsyncEngine) -> None:
    """Before the commit."""
    connection = await connect(await team("acme"))
    await connection.execute("BEGIN")
    await connection.fetchval(SUBMIT)
    async with postgres_engine.connect() as killer:
        await killer.exec_driver_sql(f"SELECT pg_terminate_backend({connection.get_server_pid()}, 10000)")
    with pytest.raises((asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        await connection.execute("COMMIT")
    assert await count(postgres_engine, "operations") == 0


async def test_each_role_submits_for_its_own_tenant(team: Team, connect: Connect, postgres_engine: AsyncEngine) -> None:
    """The tenant may be named, and another one is refused. Keys of tenants are independent."""
    one, two = await connect(await team("one")), await connect(await team("two"))
    ids = {str(await connection.fetchval(KEYED, "{}")) for connection in (one, two)}
    assert len(ids) == 2
    await one.fetchval("SELECT opledger.submit('deploy', tenant => 'one')")
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="submits for the tenant one, not for two"):
        await one.fetchval("SELECT opledger.submit('deploy', tenant => 'two')")
    assert sorted(row.tenant for row in await stored(postgres_engine)) == ["one", "one", "two"]


async def test_a_role_without_a_grant_is_refused(
    create_role: Callable[[], Awaitable[str]], connect: Connect, database_url: str, postgres_engine: AsyncEngine
) -> None:
    """It cannot call the function. One that may call it and has no tenant, such as the owner, is refused too."""
    connection = await connect(as_role(database_url, await create_role()))
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="permission denied for schema opledger"):
        await connection.fetchval(SUBMIT)
    owner = await connect(database_url)
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="has no tenant") as refused:
        await owner.fetchval(SUBMIT)
    assert "opledger migrate --grant-submit-to" in str(refused.value.hint)
    assert await count(postgres_engine, "operations") == 0


async def test_the_role_of_set_role_counts(
    team: Team,
    create_role: Callable[[], Awaitable[str]],
    connect: Connect,
    database_url: str,
    postgres_engine: AsyncEngine,
) -> None:
    """An application that connects as one role and takes the role of each team."""
    pooled = await create_role()
    role = (await team("acme")).split("//")[1].split("@")[0]
    async with postgres_engine.begin() as owner:
        await owner.exec_driver_sql(f"GRANT {role} TO {pooled}")
    connection = await connect(as_role(database_url, pooled))
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match=f"the role {pooled} has no tenant"):
        await connection.fetchval(SUBMIT)
    async with connection.transaction():
        await connection.execute(f"SET LOCAL ROLE {role}")
        await connection.fetchval(SUBMIT)
    [row] = await stored(postgres_engine)
    assert row.tenant == "acme"


async def test_a_team_can_do_nothing_else(team: Team, connect: Connect) -> None:
    """Neither read nor write the ledger's tables, nor call its other functions, nor shadow what `submit` uses."""
    connection = await connect(await team("acme"))
    for statement in (
        "SELECT * FROM opledger.operations",
        "INSERT INTO opledger.submitters VALUES ('a', 'b')",
        "UPDATE opledger.submitters SET tenant = 'b'",
        "DELETE FROM opledger.idempotency_keys",
        "SELECT opledger.submission_errors('a', '{}', '{}', NULL, NULL, NULL)",
        "CREATE TABLE opledger.more (n int)",
    ):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await connection.execute(statement)
    await connection.execute("CREATE TEMPORARY TABLE submitters (role text, tenant text)")
    await connection.execute("INSERT INTO submitters SELECT session_user, 'another'")
    await connection.execute("CREATE FUNCTION pg_temp.sha256(bytea) RETURNS bytea LANGUAGE sql AS 'SELECT $1'")
    with pytest.raises(asyncpg.InsufficientPrivilegeError, match="not for another"):
        await connection.fetchval("SELECT opledger.submit('deploy', tenant => 'another')")


async def test_a_repeat_under_a_key_returns_the_same_id(
    team: Team, connect: Connect, postgres_engine: AsyncEngine
) -> None:
    """In the same transaction and later, whatever the order of the input's fields and the session's time zone. Another
    request is refused."""
    connection = await connect(await team("acme"))
    whole = "SELECT opledger.submit('deploy', $1, '{}', 'order-2', start_at => '2020-01-01T00:00Z')"
    async with connection.transaction():
        first = await connection.fetchval(whole, '{"a": 1, "b": 2}')
        assert await connection.fetchval(whole, '{"b": 2, "a": 1}') == first
    await connection.execute("SET TIME ZONE 'Asia/Tokyo'")
    assert await connection.fetchval(whole, '{"a": 1, "b": 2}') == first
    with pytest.raises(asyncpg.UniqueViolationError, match="idempotency_key: was already used with another request"):
        await connection.fetchval(whole, '{"a": 1}')
    assert await count(postgres_engine, "operations") == 1


@pytest.mark.parametrize("ends", ["COMMIT", "ROLLBACK"])
async def test_concurrent_transactions_with_one_key_make_one_operation(
    team: Team, connect: Connect, postgres_engine: AsyncEngine, ends: str
) -> None:
    """The second waits for the first. It gets the same id, or makes the operation if the first is rolled back."""
    url = await team("acme")
    one, two, three = [await connect(url) for _ in range(3)]
    await one.execute("BEGIN")
    first = await one.fetchval(KEYED, "{}")
    second = asyncio.create_task(two.fetchval(KEYED, "{}"))

    async def waits() -> bool:
        query = "SELECT wait_event_type FROM pg_stat_activity WHERE pid = $1"
        async with postgres_engine.connect() as watching:
            driver = (await watching.get_raw_connection()).driver_connection
            assert driver is not None
            return bool(await driver.fetchval(query, two.get_server_pid()) == "Lock")

    await eventually(waits)
    await one.execute(ends)
    assert (await second == first) is (ends == "COMMIT")
    assert await count(postgres_engine, "operations") == 1
    with pytest.raises(asyncpg.UniqueViolationError):
        await three.fetchval(KEYED, "[]")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("NULL", "type: is required"),
        ("''", "type: has 1 to 255 characters"),
        ("repeat('a', 256)", "type: has 1 to 255 characters"),
        ("'deploy', to_jsonb(repeat('a', 262143))", "input: has more than 256 KiB"),
        ("'deploy', (repeat('[', 64) || repeat(']', 64))::jsonb", "input: is nested deeper than 63 levels"),
        ("'deploy', '[1e400]'", "input: has a number beyond the range of a double"),
        ("'deploy', labels => NULL", "labels: must be an object"),
        ("'deploy', labels => '[]'", "labels: must be an object"),
        ("'deploy', labels => '{\"a!\": \"b\"}'", "labels.a!: a label key has 1 to 63 letters"),
        ("'deploy', labels => '{\"a\": 1}'", "labels.a: must be a string"),
        ("'deploy', labels => jsonb_build_object('a', repeat('b', 256))", "labels.a: a label value has at most 255"),
        (
            "'deploy', labels => (SELECT jsonb_object_agg('a' || n, '') FROM generate_series(1, 33) AS n)",
            "labels: at most 32",
        ),
        ("E'de\\nploy'", "type: must not have control characters"),
        ("E'deploy\\u0085'", "type: must not have control characters"),
        *(
            (f"'deploy', idempotency_key => {key}", "idempotency_key: has 1 to 255 printable ASCII characters")
            for key in ("''", "repeat('k', 256)", "E'a\\nb'", "E'a\\n'", "E'a\\x7f'", "'schlüssel'", "E'\\u00a0'")
        ),
        ("'deploy', start_at => now(), delay => '1s'", "delay: is not allowed beside start_at"),
        ("'deploy', delay => '367 days'", "delay: must be at most 366d"),
        ("'deploy', delay => '300000 years'", "delay: must be at most 366d"),
        ("'deploy', delay => '-300000 years'", "delay: must not be negative"),
        ("'deploy', start_at => 'infinity'", "start_at: must be at most 366 days ahead"),
        ("'deploy', delay => '-1s'", "delay: must not be negative"),
        ("'deploy', start_at => now() + interval '367 days'", "start_at: must be at most 366 days ahead"),
        ("'deploy', parent_id => gen_random_uuid()", "parent_id: there is no operation"),
        ("'', '{}', '{\"a!\": \"b\"}'", "type: has 1 to 255 characters; labels.a!"),
    ],
)
async def test_invalid_fields_are_named(
    team: Team, connect: Connect, postgres_engine: AsyncEngine, arguments: str, message: str
) -> None:
    """All of them, with their rule. Nothing is stored."""
    connection = await connect(await team("acme"))
    with pytest.raises(asyncpg.InvalidParameterValueError) as refused:
        await connection.fetchval(f"SELECT opledger.submit({arguments})")
    assert str(refused.value).startswith(f"opledger.submit: {message}")
    assert await count(postgres_engine, "operations") == 0


async def test_limits_are_inclusive(team: Team, connect: Connect, postgres_engine: AsyncEngine) -> None:
    """The largest values are accepted and can be read."""
    connection = await connect(await team("acme"))
    for arguments in (
        "repeat('a', 255), to_jsonb(repeat('a', 262142))",
        "'deploy', (repeat('[', 63) || repeat(']', 63))::jsonb",
        "'deploy', '[1.7e308, \"' || repeat('9', 300) || '\"]'",
        "'deploy', labels => (SELECT jsonb_object_agg('a' || n, repeat('b', 255)) FROM generate_series(1, 32) AS n)",
        "'deploy', 'null', idempotency_key => repeat('k', 255)",
        "'bauen: ä', idempotency_key => ' !~'",
        "'deploy', start_at => '-infinity'",
        "'deploy', delay => '366 days'",
        "'deploy', delay => '0s'",
    ):
        cast = arguments.replace("|| '\"]'", "|| '\"]')::jsonb").replace("'[1.7", "('[1.7")
        await connection.fetchval(f"SELECT opledger.submit({cast})")
    assert len(await stored(postgres_engine)) == 9


@pytest.mark.parametrize("text", ["a", "A-b", "a.b/c_d", "-a", "a-", "é", "a" * 63, "a" * 64, "", "a b", "a\nb", "a\n"])
async def test_labels_follow_the_rules_of_the_domain(team: Team, connect: Connect, text: str) -> None:
    """Keys and values."""
    connection = await connect(await team("acme"))
    for labels in ({text: "x"}, {"x": text}, {"x": text + "\x7f"}, {"x": text + "\x85"}, {"x": text + "\xa0"}):
        valid = not label_violations(labels)
        try:
            await connection.fetchval("SELECT opledger.submit('deploy', labels => $1)", json.dumps(labels))
        except asyncpg.InvalidParameterValueError:
            assert not valid, labels
        else:
            assert valid, labels


async def test_a_parent_is_of_the_same_tenant(team: Team, connect: Connect, postgres_engine: AsyncEngine) -> None:
    """That of another tenant is refused with the same error as a missing one."""
    one, two = await connect(await team("one")), await connect(await team("two"))
    parent = await one.fetchval(SUBMIT)
    child = await one.fetchval("SELECT opledger.submit('deploy', parent_id => $1)", parent)
    with pytest.raises(asyncpg.InvalidParameterValueError, match=f"parent_id: there is no operation {parent}"):
        await two.fetchval("SELECT opledger.submit('deploy', parent_id => $1)", parent)
    rows = {row.id: row.parent_id for row in await stored(postgres_engine)}
    assert rows[UUID(str(child))] == UUID(str(parent))


async def test_listeners_are_notified_at_the_commit(team: Team, connect: Connect, database_url: str) -> None:
    """Not before."""
    listener, connection = await connect(database_url), await connect(await team("acme"))
    heard = asyncio.Event()
    await listener.add_listener("opledger_changes", lambda *_: heard.set())
    async with connection.transaction():
        await connection.fetchval(SUBMIT)
        await listener.execute("SELECT 1")
        assert not heard.is_set()
    await asyncio.wait_for(heard.wait(), 30)


async def test_a_new_grant_replaces_the_tenant(
    team: Team, connect: Connect, database_url: str, postgres_engine: AsyncEngine
) -> None:
    """Of a role."""
    from adapters.postgres.schema.grants import grant_submit_to

    url = await team("one")
    await grant_submit_to(database_url, url.split("//")[1].split("@")[0], "two")
    await (await connect(url)).fetchval(SUBMIT)
    [row] = await stored(postgres_engine)
    assert row.tenant == "two"

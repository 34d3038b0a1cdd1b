"""Two API processes against one, with the same clients, half of them at each.

The processes share PostgreSQL and, on this machine, also the processors with each other and with the clients. A machine
with free processors has a better ratio.
"""

import random
from itertools import count

from benchmarks.api.accepting import submitted
from benchmarks.data.rows import fill, running
from benchmarks.harness.client import connected, request
from benchmarks.harness.load import over_http
from benchmarks.harness.measurement import Row, Scale, column, in_turns
from benchmarks.harness.stage import api, data_folder, database

CLIENTS = 32


async def rows(scale: Scale) -> list[Row]:
    """Reads and submissions per second."""
    numbers, chance, made = count(1), random.Random(1), scale.of(100_000, 1_000)
    reads = [request("GET", f"/v1/operations/{one}") for one in running(made)]
    many, few = scale.of(4_000, 50), scale.of(1_500, 50)
    with data_folder() as folder:
        async with database(folder) as url, api(url) as (_, first), api(url) as (_, second):
            await fill(url, made)
            one = await connected(first, CLIENTS)
            two = await connected(first, CLIENTS // 2) + await connected(second, CLIENTS // 2)
            read_two, read_one, sent_two, sent_one = await in_turns(
                scale.repeats,
                lambda: over_http(two, chance.choices(reads, k=many)),
                lambda: over_http(one, chance.choices(reads, k=many)),
                lambda: submitted(two, numbers, few),
                lambda: submitted(one, numbers, few),
            )
            for client in (*one, *two):
                client.close()
    note = f"{CLIENTS} clients, all on the same processors"
    return [
        Row("GET one operation, two API processes", "one", "1/s", column(read_two, 0), column(read_one, 0), note=note),
        Row("accept (POST), two API processes", "one", "1/s", column(sent_two, 0), column(sent_one, 0), note=note),
    ]

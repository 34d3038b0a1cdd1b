"""Loses the answer to a COMMIT: the database has committed, and the one who asked never learns it."""

import re

from tests.chaos.proxies.tcp_proxy import Watch

COMMIT = re.compile(rb"Q\x00\x00\x00.COMMIT;?\x00", re.DOTALL)
"""A simple query message of PostgreSQL's protocol, as asyncpg sends a transaction's end."""


class LostCommits:
    """How many answers are still to be lost, and how many were."""

    def __init__(self) -> None:
        self.armed = 0
        self.lost = 0

    def watch(self) -> Watch:
        """For a new connection."""
        return _Session(self)


class _Session(Watch):
    def __init__(self, commits: LostCommits) -> None:
        self._commits = commits
        self._losing = False

    def request(self, data: bytes) -> None:
        if self._commits.armed and COMMIT.search(data):
            self._commits.armed -= 1
            self._losing = True

    def swallow(self, data: bytes) -> bool:
        if self._losing:  # the server has answered, so it has committed
            self._commits.lost += 1
        return self._losing

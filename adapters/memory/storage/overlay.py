"""A table with the changes of one unit of work."""

from collections.abc import Iterator, MutableMapping
from typing import TypeVar

_K = TypeVar("_K")
_V = TypeVar("_V")


class Overlay(MutableMapping[_K, _V]):
    """The committed rows with the unit's own changes and deletions. Each access reads the committed rows anew, as at
    READ COMMITTED."""

    def __init__(self, committed: dict[_K, _V]) -> None:
        self._committed = committed
        self._deleted: set[_K] = set()
        self.changed: dict[_K, _V] = {}

    def __getitem__(self, key: _K) -> _V:
        if key in self.changed:
            return self.changed[key]
        if key in self._deleted:
            raise KeyError(key)
        return self._committed[key]

    def __setitem__(self, key: _K, row: _V) -> None:
        self.changed[key] = row

    def __delitem__(self, key: _K) -> None:
        self.changed.pop(key, None)
        self._deleted.add(key)

    def __iter__(self) -> Iterator[_K]:
        yield from self.changed
        yield from (key for key in self._committed if key not in self.changed and key not in self._deleted)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def commit(self) -> None:
        """Applies the changes to the committed rows."""
        for key in self._deleted:
            self._committed.pop(key, None)
        self._committed.update(self.changed)
        self.rollback()

    def rollback(self) -> None:
        """Discards the changes."""
        self.changed.clear()
        self._deleted.clear()

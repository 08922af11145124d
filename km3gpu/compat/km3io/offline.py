"""km3io's reader of offline files."""

from __future__ import annotations

import os
import uuid
import warnings
from collections import namedtuple
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import awkward as ak

from km3gpu.compat.km3io.lazy import Branch, Columns, is_integer, read_chain
from km3gpu.io.columns import column_type
from km3gpu.io.header import FIELDS
from km3gpu.io.paths import resolve
from km3gpu.io.roottree import Branch as RootBranch

__all__ = ["Header", "OfflineReader"]

_SKIPPED = ("t", "AAObject", "mc_event_time", "header_uuid[16]")
_ALIASES = {
    "mc_event_time_sec": "mc_event_time/mc_event_time.fSec",
    "mc_event_time_ns": "mc_event_time/mc_event_time.fNanoSec",
    "t_sec": "t/t.fSec",
    "t_ns": "t/t.fNanoSec",
    "usr": "AAObject/usr",
    "usr_names": "AAObject/usr_names",
    "header_uuid": "header_uuid[16]",
}
_PLACE = ("pos_x", "pos_y", "pos_z", "dir_x", "dir_y", "dir_z")
_TRACK = ("id", *_PLACE, "t", "E", "len", "status", "mother_id", "counter", "hit_ids")
_COLLECTIONS: dict[str, tuple[str, ...]] = {
    "hits": ("id", "channel_id", "dom_id", "t", "tdc", *_PLACE, "tot", "a", "trig"),
    "mc_hits": ("id", "pmt_id", "t", "a", "origin", "pure_t", "pure_a", "type"),
    "trks": (*_TRACK, "lik", "rec_type", "rec_stages", "fitinf", "error_matrix", "comment"),
    "mc_trks": (*_TRACK, "pdgid", "usr", "usr_names"),
}
_NAMES = {"tracks": "trks", "mc_tracks": "mc_trks"}
_STEP = 1000


class OfflineReader:
    """Read an offline file as km3io does.

    Events, hits and tracks are arrays that are read when they are looked at;
    an index or slice of the reader is kept and applied to whatever is read.

    Parameters
    ----------
    f : path
        A ROOT file; ``testdata:`` paths work, too.
    step_size : int, optional
        Events that are read at once when iterating.

    Raises
    ------
    InputNotFoundError, NotRootError, TruncatedFileError, FormatError
        The file cannot be read.
    """

    event_path = "E/Evt"
    item_name = "OfflineEvent"

    def __init__(self, f: str | os.PathLike[str], *, step_size: int = _STEP) -> None:
        (path,) = resolve(f)
        self._setup(Columns(path, "E"), (), step_size)

    def _setup(self, columns: Columns, chain: tuple[Any, ...], step_size: int) -> None:
        self._columns = columns
        self._chain = chain
        self._step_size = step_size
        self._iterator: Iterator[Any] | None = None

    # -- what there is -------------------------------------------------------
    @cached_property
    def _top(self) -> dict[str, RootBranch]:
        found = {}
        tree = self._columns.tree
        for path, branch in tree.branches.items():
            parts = path.split("/")[1:]
            if len(parts) == 1 and parts[0] not in _SKIPPED and column_type(branch) and not branch.counts:
                found[parts[0]] = branch
        for alias, path in _ALIASES.items():
            leaf = tree.find(f"Evt/{path}")
            if leaf is not None:
                found[alias] = leaf
        return found

    @cached_property
    def _nested(self) -> dict[str, dict[str, RootBranch]]:
        tree = self._columns.tree
        found = {}
        for collection, names in _COLLECTIONS.items():
            if tree.find(f"Evt/{collection}") is None:
                continue
            leaves = {n: n.replace("pos_", "pos.").replace("dir_", "dir.") for n in names}
            leaves |= {"pdgid": "type"} if "pdgid" in names else {}
            branches = {n: tree.find(f"Evt/{collection}/{collection}.{leaf}") for n, leaf in leaves.items()}
            found[collection] = {n: b for n, b in branches.items() if b is not None}
        return found

    def keys(self) -> set[str]:
        """Give the names of all that can be taken."""
        nested = {*self._nested, *_NAMES}
        return {*self._top, *nested, *(f"n_{n}" for n in nested)}

    def __dir__(self) -> list[str]:
        return [*self.keys(), "header"]

    # -- taking --------------------------------------------------------------
    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in self.keys():
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
        return self[name]

    def __getitem__(self, key: Any) -> Any:
        if not isinstance(key, str):
            other = object.__new__(type(self))
            other._setup(self._columns, (*self._chain, key), self._step_size)
            return other
        if key.startswith("n_") and key[2:] in {*self._nested, *_NAMES}:
            collection = self._columns.tree.branch(f"Evt/{_NAMES.get(key[2:], key[2:])}")
            return read_chain(self._columns, collection, self._chain)
        name = _NAMES.get(key, key)
        if name in self._nested:
            return Branch(self._columns, name, self._nested[name], self._chain)
        try:
            return read_chain(self._columns, self._top[name], self._chain)
        except KeyError:
            raise KeyError(key) from None

    @property
    def events(self) -> OfflineReader:
        """The reader itself, which is already the events."""
        return self

    def __len__(self) -> int:
        if not self._chain:
            return len(self._columns)
        return 1 if is_integer(self._chain[-1]) else len(self["id"])

    def __repr__(self) -> str:
        n, every = len(self), len(self._columns)
        length = f"{n}/{every}" if n < every else f"{n}"
        return f"<{type(self).__name__} [{length}] path={self.event_path!r}>"

    # -- iterating -----------------------------------------------------------
    def __iter__(self) -> OfflineReader:
        self._iterator = self._events()
        return self

    def __next__(self) -> Any:
        if self._iterator is None:
            self._iterator = self._events()
        return next(self._iterator)

    def _events(self) -> Iterator[Any]:
        if len(self._chain) > 1:
            raise NotImplementedError("iteration over a slice of a slice")
        first = self._chain[0] if self._chain else slice(None)
        if not isinstance(first, slice) or first.step not in (None, 1):
            raise NotImplementedError("iteration over anything but a slice of single steps")
        start, stop, _ = first.indices(len(self._columns))
        names = sorted(self.keys())
        make = namedtuple(self.item_name, names)  # type: ignore[misc]
        for begin in range(start, stop, self._step_size):
            end = min(begin + self._step_size, stop)
            part = {n: self._columns.array(b, begin, end) for n, b in self._top.items()}
            for name, fields in self._nested.items():
                arrays = {n: self._columns.array(b, begin, end) for n, b in fields.items()}
                part[name] = ak.zip(arrays, depth_limit=1)
                part[f"n_{name}"] = ak.num(next(iter(arrays.values())))
            for alias, name in _NAMES.items():
                part |= {alias: part[name], f"n_{alias}": part[f"n_{name}"]}
            for i in range(end - begin):
                yield make(**{n: part[n][i] for n in names})

    # -- the file ------------------------------------------------------------
    @cached_property
    def header(self) -> Header | None:
        """The header, or None with a warning where the file has none."""
        found = self._columns.file.header()
        if found is None or not found.raw:
            warnings.warn("Your file header has an unsupported format", stacklevel=2)
            return None
        return Header(found.raw)

    @property
    def uuid(self) -> uuid.UUID:
        """UUID of the file."""
        return uuid.UUID(self._columns.file.uuid)

    def close(self) -> None:
        """Do nothing: files are closed when they are no longer needed."""

    def __enter__(self) -> OfflineReader:
        return self

    def __exit__(self, *args: object) -> None:
        self.close()


class Header:
    """A header whose entries are numbers or named tuples, as km3io gives them.

    Parameters
    ----------
    header : dict of str to str
        Names and blank-separated values.
    """

    def __init__(self, header: dict[str, str]) -> None:
        self._data: dict[str, Any] = {}
        for name, text in header.items():
            values: list[Any] = [_number(v) for v in text.split()]
            fields = list(FIELDS.get(name, ()))
            if len(values) == 1 and not fields:
                entry = values[0]
            else:
                fields += [f"field_{i}" for i in range(len(fields), len(values))]
                values += [None] * (len(fields) - len(values))
                if not values:
                    continue
                class_name = name if name.isidentifier() else "HeaderEntry"
                entry = namedtuple(class_name, fields)(*values)
            self._data[name] = entry

    def __getattr__(self, name: str) -> Any:
        data: dict[str, Any] = self.__dict__.get("_data", {})
        if name not in data:
            raise AttributeError(name)
        return data[name]

    def __getitem__(self, key: str) -> Any:
        return self._data[key]

    def keys(self) -> Any:
        """Give the names of the entries."""
        return self._data.keys()

    def items(self) -> Any:
        """Give names and entries."""
        return self._data.items()

    def values(self) -> Any:
        """Give the entries."""
        return self._data.values()

    def __dir__(self) -> list[str]:
        return list(self._data)

    def __str__(self) -> str:
        lines = [f"  {v}" if k in FIELDS else f"  {k}: {v}" for k, v in self._data.items()]
        return "\n".join(["MC Header:", *lines])


def _number(text: str) -> Any:
    for kind in (int, float):
        try:
            return kind(text)
        except ValueError:
            continue
    return text

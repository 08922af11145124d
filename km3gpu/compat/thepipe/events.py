"""The events of a chunk as blobs, and what modules made of the blobs as tables again.

What a blob holds is told in `km3gpu.compat.thepipe.layout`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np

from km3gpu.chunk import Chunk
from km3gpu.compat.thepipe.blob import Blob
from km3gpu.compat.thepipe.layout import key_of, names_in_blob, records_of
from km3gpu.errors import ConfigError, FormatError
from km3gpu.offsets import counts_to_offsets
from km3gpu.table import Ragged, Table

__all__ = ["Events", "parse_made"]


def parse_made(texts: Iterable[str]) -> dict[str, dict[str, np.dtype[Any]]]:
    """Read what a module makes: ``"events/n_good: int64"`` gives dtypes by table and column.

    Raises
    ------
    ConfigError
        One cannot be read.
    """
    made: dict[str, dict[str, np.dtype[Any]]] = {}
    for text in texts:
        name, colon, kind = text.partition(":")
        table, slash, column = name.strip().partition("/")
        try:
            dtype = np.dtype(kind.strip() if colon else "")
        except TypeError as error:
            raise ConfigError(f"{text!r} has no dtype: {error}", remedy="write 'events/n: int64'") from error
        if not (slash and table and column) or dtype.kind not in "biuf":
            raise ConfigError(f"{text!r} names no column of numbers", remedy="write 'events/n: int64'")
        made.setdefault(table, {})[column] = dtype
    return made


class Events:
    """The events of a chunk, each as a blob.

    Parameters
    ----------
    chunk : Chunk
        On the CPU.
    keys : sequence of str, optional
        Only these keys of the blobs.
    lists : sequence of str, optional
        Of columns that hold lists only these, ``"table/column"``; all by default.
    """

    def __init__(
        self, chunk: Chunk, keys: Sequence[str] | None = None, lists: Sequence[str] | None = None
    ) -> None:
        self.chunk = chunk
        self._keys = {n: key_of(n, chunk.source.kind) for n in chunk.tables}
        names = [n for n, key in self._keys.items() if keys is None or key in keys]
        self._records = {n: records_of(n, chunk, lists) for n in names}
        self._views: dict[str, list[Any]] = {n: [] for n in names}
        self._ends = {n: self._edges(n) for n in names}
        events = chunk.tables.get("events")
        self._single = events is None or events.offsets is None  # one row for each event

    def _edges(self, name: str) -> list[int]:
        table = self.chunk.tables[name]
        ends = np.arange(len(table) + 1) if table.offsets is None else np.asarray(table.offsets)
        return ends.tolist()  # plain numbers slice faster

    def __len__(self) -> int:
        return self.chunk.n_events

    def blob(self, i: int) -> Blob:
        """Give the blob of an event; its arrays are views, which may be written to."""
        blob = Blob()
        for name, records in self._records.items():
            start, stop = self._ends[name][i : i + 2]
            view = records[start:stop] if start < stop else None
            if view is not None:
                blob[self._keys[name]] = view
            self._views[name].append(view)
        return blob

    # -- and back ------------------------------------------------------------
    def tables(
        self, blobs: Sequence[Mapping[str, Any] | None], made: Mapping[str, Mapping[str, np.dtype[Any]]]
    ) -> tuple[dict[str, Table], dict[str, int]]:
        """Make tables of what came back.

        Parameters
        ----------
        blobs : sequence of mapping or None
            One for each event, in order; None: the event is dropped.
        made : mapping of str to mapping of str to dtype
            New columns by table (see `parse_made`).

        Returns
        -------
        tables : dict of str to Table
            All tables of the chunk, without the events that were dropped.
        left : dict of str to int
            Keys that are no table of the chunk nor in `made`, and in how many blobs.

        Raises
        ------
        FormatError
            A column that is declared is missing, or is not of numbers.
        """
        kept = [i for i, b in enumerate(blobs) if b is not None]
        found = dict(self.chunk.tables)
        if len(kept) < len(blobs):
            found = {n: t.take_events(np.array(kept, np.int64)) for n, t in found.items()}
        for name in {**self._records, **made}:
            if name == "events" and self._single:
                continue
            key = self._key(name)
            news = [(i, blobs[i].get(key)) for i in kept]  # type: ignore[union-attr]
            found[name] = self._table(name, news, made.get(name, {}), found.get(name))
        if self._single and ("events" in self._records or "events" in made):
            found["events"] = self._events(blobs, kept, made.get("events", {}), found)
        known = {self._key(n) for n in found} | set(made.get("events", ()))
        left: dict[str, int] = {}
        for i in kept:
            for key in blobs[i] or ():
                if key not in known:
                    left[key] = left.get(key, 0) + 1
        return found, left

    def _key(self, name: str) -> str:
        return self._keys.get(name) or key_of(name, self.chunk.source.kind)

    def _table(
        self,
        name: str,
        news: Sequence[tuple[int, Any]],
        made: Mapping[str, np.dtype[Any]],
        old: Table | None,
    ) -> Table:
        """Make a jagged table of the arrays of each event."""
        views = self._views.get(name, [])
        same = old is not None and not made and all(a is views[i] for i, a in news)
        columns = () if old is None else tuple(c for c in old.columns if not isinstance(old.flat(c), Ragged))
        dtypes = {c: old.flat(c).dtype for c in columns} if old is not None else {}
        if same:
            assert old is not None
            records = self._kept(name, [i for i, _ in news])
            labels = names_in_blob(name, columns)
            same_rows: dict[str, Any] = {c: _joined(records, n, dtypes[c]) for c, n in labels.items()}
            return old.with_columns(**same_rows)
        dtypes |= made
        arrays = [(i, _fields(a)) for i, a in news]
        counts = np.array([_length(a) for _, a in arrays], np.int64)
        offsets = counts_to_offsets(counts)
        found = {}
        for column, label in names_in_blob(name, dtypes).items():
            pieces = []
            for i, fields in arrays:
                values = None if fields is None else fields.get(label, fields.get(column))
                if fields is not None and values is None and _length(fields):
                    raise self._missing(i, f"column {label!r} of {self._key(name)!r}")
                pieces.append(np.empty(0, dtypes[column]) if values is None else np.atleast_1d(values))
            found[column] = _cast(pieces, dtypes[column], f"{name}/{column}")
        return Table(name, found, offsets, {} if old is None else old.attrs)

    def _events(
        self,
        blobs: Sequence[Mapping[str, Any] | None],
        kept: Sequence[int],
        made: Mapping[str, np.dtype[Any]],
        found: Mapping[str, Table],
    ) -> Table:
        """Make the table of events from ``EventInfo``, and from single numbers in the blobs."""
        old = found.get("events", Table("events", {}))
        plain = [c for c in old.columns if not isinstance(old.flat(c), Ragged)]
        dtypes = {c: old.flat(c).dtype for c in plain}
        views, info = self._views.get("events"), self._key("events")
        if not made and views is not None and all((blobs[i] or {}).get(info) is views[i] for i in kept):
            records = self._kept("events", kept)
            names = names_in_blob("events", plain)
            return old.with_columns(**{c: _joined(records, n, dtypes[c]) for c, n in names.items()})
        changed: dict[str, Any] = {}
        infos = [_fields((blobs[i] or {}).get(info)) for i in kept]
        for column, label in names_in_blob("events", {**dtypes, **made}).items():
            pieces = []
            for i, fields in zip(kept, infos, strict=True):
                blob: Mapping[str, Any] = blobs[i] or {}
                value = blob[column] if column in made and column in blob else (fields or {}).get(label)
                if value is None and column in made:
                    raise self._missing(i, f"{column!r}")
                if value is None:  # the module took it away: the event keeps what it had
                    value = self._records["events"][label][i]
                if np.size(value) != 1:
                    raise FormatError(f"{column!r} is not one number", where=self._where(i))
                pieces.append(np.reshape(value, 1))
            dtype = made.get(column) or dtypes[column]
            changed[column] = _cast(pieces, dtype, f"events/{column}")
        return old.with_columns(**changed)

    def _kept(self, name: str, kept: Sequence[int]) -> list[Any]:
        """Give the records of these events, in one piece where they are all."""
        views = self._views[name]
        return (
            [self._records[name]]
            if len(kept) == len(views)
            else [v for i in kept if (v := views[i]) is not None]
        )

    def _missing(self, i: int, what: str) -> FormatError:
        return FormatError(
            f"the module gave no {what}",
            where=self._where(i),
            remedy="give it for every event, or do not name it in 'makes'",
        )

    def _where(self, i: int) -> str:
        events = self.chunk.tables.get("events")
        entry = int(events.flat("entry")[i]) if events is not None and "entry" in events else i
        return f"{self.chunk.source.path}, entry {entry}"


def _fields(array: Any) -> dict[str, Any] | None:
    """Give the columns of what a module made: a record array, a mapping or a data frame."""
    if array is None:
        return None
    names = getattr(getattr(array, "dtype", None), "names", None)
    if names:
        return {n: array[n] for n in names}
    if isinstance(array, Mapping):
        return dict(array)
    columns = getattr(array, "columns", None)
    if columns is not None:
        return {str(c): np.asarray(array[c]) for c in columns}
    raise FormatError(f"a module put {type(array).__name__} where a table belongs")


def _length(fields: Mapping[str, Any] | None) -> int:
    return 0 if not fields else int(np.size(next(iter(fields.values()))))


def _joined(records: Sequence[np.ndarray], name: str, dtype: np.dtype[Any]) -> Any:
    return np.concatenate([r[name] for r in records]) if records else np.empty(0, dtype)


def _cast(pieces: Sequence[np.ndarray], dtype: np.dtype[Any], what: str) -> np.ndarray:
    joined = np.concatenate(pieces) if pieces else np.empty(0, dtype)
    try:
        return np.ascontiguousarray(joined.astype(dtype))
    except (TypeError, ValueError) as error:
        raise FormatError(f"{what} is not of {dtype}: {error}") from error

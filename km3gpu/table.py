"""A table: named flat columns, and offsets that cut them into events.

Columns are contiguous numpy or cupy arrays.  ``offsets`` is int64 with one more
element than there are events; row ``i`` of event ``e`` has
``offsets[e] <= i < offsets[e + 1]``.  A table without offsets has one row per
event.  A column whose rows are lists themselves is a `Ragged`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np

from km3gpu import backend as _backend
from km3gpu.errors import FormatError, UnknownNameError
from km3gpu.offsets import counts_to_offsets

__all__ = ["UNIT", "Column", "Ragged", "Table", "counts_to_offsets"]

UNIT = "unit:"
"""Before the name of a column in ``attrs``: its unit, where the schema does not know the column."""


@dataclass(frozen=True, eq=False)
class Ragged:
    """A column of lists: row ``i`` is ``content[offsets[i]:offsets[i + 1]]``.

    Attributes
    ----------
    offsets : (n_rows + 1,) int64 array
        Starts at 0.
    content : array or Ragged
        The items; a Ragged again for lists of lists.
    text : bool
        The innermost uint8 items are UTF-8 characters and each list a string.
    """

    offsets: Any
    content: Any
    text: bool = False

    def __len__(self) -> int:
        return len(self.offsets) - 1

    @property
    def nbytes(self) -> int:
        """Bytes of offsets and content together."""
        return int(self.offsets.nbytes + self.content.nbytes)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of the innermost items."""
        return self.content.dtype  # type: ignore[no-any-return]

    def take(self, index: Any) -> Ragged:
        """Give the rows of `index`, in that order, copied."""
        xp = _backend.namespace(self.offsets)
        counts = self.offsets[1:] - self.offsets[:-1]
        offsets = counts_to_offsets(counts[index])
        inner = _expand(xp, self.offsets[:-1][index], offsets)
        content = self.content
        return Ragged(
            offsets, content.take(inner) if isinstance(content, Ragged) else content[inner], self.text
        )

    def map(self, function: Any) -> Ragged:
        """Give the same lists with `function` applied to every array in them."""
        content = self.content
        content = content.map(function) if isinstance(content, Ragged) else function(content)
        return Ragged(function(self.offsets), content, self.text)


Column: TypeAlias = Any  # a numpy or cupy array, or a Ragged


def _expand(xp: Any, starts: Any, offsets: Any) -> Any:
    """Give the indices of all items of lists that begin at `starts` with counts from `offsets`."""
    counts = offsets[1:] - offsets[:-1]
    return xp.arange(int(offsets[-1])) + xp.repeat(starts - offsets[:-1], counts)


class Table:
    """Named columns of equal length, cut into events by offsets.

    Parameters
    ----------
    name : str
        ``"hits"``, ``"events"``, ...
    columns : mapping of str to array or Ragged
        All of one length.
    offsets : (n_events + 1,) int64 array, optional
        None for a table with one row per event.
    attrs : mapping of str to str, optional
        What has been done to the rows (``{"calibration": "..."}``).
    """

    __slots__ = ("_columns", "attrs", "name", "offsets")

    def __init__(
        self,
        name: str,
        columns: Mapping[str, Column],
        offsets: Any = None,
        attrs: Mapping[str, str] | None = None,
    ) -> None:
        lengths = {len(c) for c in columns.values()}
        if len(lengths) > 1:
            sizes = ", ".join(f"{k}: {len(c)}" for k, c in columns.items())
            raise FormatError(f"columns of table {name!r} differ in length ({sizes})")
        if offsets is not None and lengths and int(offsets[-1]) != next(iter(lengths)):
            raise FormatError(
                f"offsets of table {name!r} end at {int(offsets[-1])}, its columns at {next(iter(lengths))}"
            )
        self.name = name
        self._columns = dict(columns)
        self.offsets = offsets
        self.attrs = dict(attrs or {})

    # -- what is in it -------------------------------------------------------
    @property
    def columns(self) -> tuple[str, ...]:
        """Names of the columns, in order."""
        return tuple(self._columns)

    def __contains__(self, name: object) -> bool:
        return name in self._columns

    def __len__(self) -> int:
        for column in self._columns.values():
            return len(column)
        return 0 if self.offsets is None else int(self.offsets[-1])

    @property
    def n_events(self) -> int:
        """Number of events the rows belong to."""
        return len(self) if self.offsets is None else len(self.offsets) - 1

    @property
    def counts(self) -> Any:
        """Rows per event, (n_events,) int64."""
        if self.offsets is None:
            raise FormatError(f"table {self.name!r} has one row per event and no offsets")
        return self.offsets[1:] - self.offsets[:-1]

    @property
    def nbytes(self) -> int:
        """Bytes of all columns and offsets."""
        own = 0 if self.offsets is None else int(self.offsets.nbytes)
        return own + sum(int(c.nbytes) for c in self._columns.values())

    def flat(self, name: str) -> Column:
        """Give one column as it is stored.

        Returns
        -------
        array or Ragged
            (n_rows, ...) contiguous; the table's own memory, not a copy.

        Raises
        ------
        UnknownNameError
            No such column; the message lists the closest.
        """
        try:
            return self._columns[name]
        except KeyError:
            raise UnknownNameError.of("column", name, self._columns, where=f"table {self.name!r}") from None

    # -- awkward views -------------------------------------------------------
    def to_awkward(self, columns: Iterable[str] | None = None) -> Any:
        """View the table as an awkward record array, one entry per event.

        Parameters
        ----------
        columns : iterable of str, optional
            Only these; all by default.

        Returns
        -------
        ak.Array
            Zero-copy on the CPU and on a GPU.
        """
        import awkward as ak

        names = list(self.columns if columns is None else columns)
        contents = [_layout(self.flat(n)) for n in names]
        record = ak.contents.RecordArray(contents, names, length=len(self))
        return ak.Array(self._jagged(record))

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):
            raise AttributeError(name)
        import awkward as ak

        return ak.Array(self._jagged(_layout(self.flat(name))))

    def _jagged(self, layout: Any) -> Any:
        import awkward as ak

        if self.offsets is None:
            return layout
        return ak.contents.ListOffsetArray(ak.index.Index64(self.offsets), layout)

    # -- new tables from this one -------------------------------------------
    def with_columns(self, attrs: Mapping[str, str] | None = None, **columns: Column) -> Table:
        """Give a table with `columns` added or replaced; the rest is shared."""
        return Table(self.name, {**self._columns, **columns}, self.offsets, {**self.attrs, **(attrs or {})})

    def keep(self, *names: str) -> Table:
        """Give a table of only these columns."""
        return Table(self.name, {n: self.flat(n) for n in names}, self.offsets, self.attrs)

    def filter(self, mask: Any) -> Table:
        """Keep the rows where `mask` is true, with offsets to match.

        Parameters
        ----------
        mask : (n_rows,) bool array
        """
        xp = _backend.namespace(mask)
        if len(mask) != len(self):
            raise FormatError(f"a mask of {len(mask)} for the {len(self)} rows of table {self.name!r}")
        offsets = self.offsets
        if offsets is not None:
            offsets = counts_to_offsets(mask)[offsets]
        return self._gather(xp.flatnonzero(mask), offsets)

    def take_events(self, index: Any) -> Table:
        """Give the rows of the events of `index` (n,), in that order."""
        if self.offsets is None:
            return self._gather(index, None)
        xp = _backend.namespace(self.offsets)
        offsets = counts_to_offsets(self.counts[index])
        return self._gather(_expand(xp, self.offsets[:-1][index], offsets), offsets)

    def take_rows(self, order: Any) -> Table:
        """Give the rows in another order (n_rows,), one that leaves each in its event."""
        return self._gather(order, self.offsets)

    def _gather(self, index: Any, offsets: Any) -> Table:
        columns = {n: c.take(index) if isinstance(c, Ragged) else c[index] for n, c in self._columns.items()}
        return Table(self.name, columns, offsets, self.attrs)

    def map(self, function: Any) -> Table:
        """Give a table with `function` applied to every array (a transfer, say)."""
        columns = {
            n: c.map(function) if isinstance(c, Ragged) else function(c) for n, c in self._columns.items()
        }
        offsets = None if self.offsets is None else function(self.offsets)
        return Table(self.name, columns, offsets, self.attrs)

    # -- Python manners ------------------------------------------------------
    def __getstate__(self) -> dict[str, Any]:
        return {"name": self.name, "columns": self._columns, "offsets": self.offsets, "attrs": self.attrs}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.name = state["name"]
        self._columns = state["columns"]
        self.offsets = state["offsets"]
        self.attrs = state["attrs"]

    def __dir__(self) -> list[str]:
        return [*super().__dir__(), *self._columns]

    def __repr__(self) -> str:
        return f"<Table {self.name}: {len(self)} rows in {self.n_events} events, {len(self.columns)} columns>"


def _layout(column: Column) -> Any:
    import awkward as ak

    if not isinstance(column, Ragged):
        return ak.contents.NumpyArray(column)
    content = _layout(column.content)
    innermost = not isinstance(column.content, Ragged)
    if column.text and innermost:
        content = ak.contents.NumpyArray(column.content, parameters={"__array__": "char"})
        return ak.contents.ListOffsetArray(
            ak.index.Index64(column.offsets), content, parameters={"__array__": "string"}
        )
    return ak.contents.ListOffsetArray(ak.index.Index64(column.offsets), content)

"""What every format offers: datasets of entries, found in data files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Protocol

from km3gpu.backend import Backend
from km3gpu.errors import ConfigError, UnknownNameError
from km3gpu.table import Table

__all__ = ["DataFile", "Dataset", "Wanted", "choose", "parse_size", "plan_edges"]

Wanted = Mapping[str, tuple[str, ...]]
"""Tables, and of each the columns to read."""


class Dataset(Protocol):
    """Entries (events, timeslices ...) of one file that are read by range.

    Attributes
    ----------
    kind : str
        ``"offline"``, ``"daq"``, ...
    name : str
        Name of the tree.
    where : str
        Tree and file, for errors.
    n_entries : int
        Number of entries.
    """

    kind: str
    name: str
    where: str
    n_entries: int

    def tables(self) -> dict[str, tuple[str, ...]]:
        """Give the tables, and the columns they have by default."""
        ...

    def hidden(self, table: str) -> Iterable[str]:
        """Give the columns that are read only where asked for by name; of a hidden table, all."""
        ...

    def edges(self) -> list[int]:
        """Give the entries at which reading may start without doing work twice, 0 and the end too."""
        ...

    def nbytes(self, wanted: Wanted) -> int:
        """Estimate the bytes of all entries of these columns when decompressed."""
        ...

    def read(self, wanted: Wanted, start: int, stop: int, where: Backend) -> dict[str, Table]:
        """Read entries ``start <= i < stop`` to the backend `where`."""
        ...


class DataFile(Protocol):
    """An open file with its datasets.

    Attributes
    ----------
    path : str
        As it was named.
    uuid : str
        UUID that the file carries, or ``""``.
    names : list of str
        Its datasets (trees).
    """

    path: str
    uuid: str
    names: list[str]

    def dataset(self, name: str) -> Dataset:
        """Give a dataset by name; `UnknownNameError` where there is none."""
        ...

    def default(self) -> str:
        """Give the name of the dataset that is read where nobody says which."""
        ...

    def counts(self) -> dict[str, int]:
        """Give the entries of each dataset."""
        ...

    def header(self) -> Any:
        """Give the file's header, or None."""
        ...

    def meta(self) -> list[dict[str, Any]]:
        """Give what the applications that made the file wrote about themselves."""
        ...


def choose(dataset: Dataset, tables: Any, columns: Any) -> dict[str, tuple[str, ...]]:
    """Work out which columns of which tables are asked for.

    Parameters
    ----------
    dataset : Dataset
        What is read.
    tables : None, str or iterable of str
        Names of tables.
    columns : None, mapping or iterable of str
        ``{"hits": ("t", "tot")}`` or ``["hits/t", "hits/tot"]``.

    Returns
    -------
    dict of str to tuple of str
        Without either argument all tables; a table named only in `tables`
        with all its columns.

    Raises
    ------
    UnknownNameError
        No such table or column; the closest come first.
    """
    known = dataset.tables()
    if tables is None and columns is None:
        return dict(known)
    chosen: dict[str, list[str]] = {}
    for table in [tables] if isinstance(tables, str) else tables or ():
        chosen[table] = []
    for table, column in _pairs(columns, known, dataset.where):
        chosen.setdefault(table, []).append(column)
    wanted = {}
    for table, names in chosen.items():
        more = tuple(dataset.hidden(table))
        if table not in known and not more:
            raise UnknownNameError.of("table", table, known, where=dataset.where)
        for name in names:
            if name not in known.get(table, ()) and name not in more:
                raise UnknownNameError.of(
                    "column", name, known.get(table, more), where=f"table {table!r} of {dataset.where}"
                )
        wanted[table] = tuple(dict.fromkeys(names)) or known.get(table, more)
    return wanted


def _pairs(columns: Any, known: Mapping[str, Iterable[str]], where: str) -> Iterable[tuple[str, str]]:
    if columns is None:
        return
    if isinstance(columns, Mapping):
        for table, names in columns.items():
            for name in [names] if isinstance(names, str) else names:
                yield table, name
        return
    for both in [columns] if isinstance(columns, str) else columns:
        table, slash, name = both.partition("/")
        if not slash:
            every = [f"{t}/{c}" for t, names in known.items() for c in names]
            raise UnknownNameError.of("column", both, every, where=where)
        yield table, name


def plan_edges(dataset: Dataset, step: int | str | None, wanted: Wanted) -> list[int]:
    """Cut the entries into ranges of about `step`, on natural edges where there are any.

    Parameters
    ----------
    dataset : Dataset
        What is read.
    step : int, str or None
        Entries, or bytes when decompressed; None is ``"64 MB"``.
    wanted : mapping
        The columns that count.

    Returns
    -------
    list of int
        Rising, from 0 to the number of entries; empty where there are none.
        A range within one basket is cut inside it: the basket is then
        decompressed once for each piece.

    Raises
    ------
    ConfigError
        A step of nothing, or text that is no size.
    """
    n = dataset.n_entries
    if isinstance(step, int):
        if step < 1:
            raise ConfigError(f"a step of {step} events", remedy="take at least 1")
        size = step
    else:
        share = parse_size("64 MB" if step is None else step) / max(dataset.nbytes(wanted), 1)
        size = max(1, int(min(share, 1.0) * n))
    if n == 0:
        return []
    if size >= n:  # nobody needs to know where the baskets are
        return [0, n]
    natural = iter([*dataset.edges(), n])
    edges = [0]
    edge = next(natural)
    while edges[-1] < n:
        goal = edges[-1] + size
        best = goal
        while edge <= goal and edge < n:
            if edge > edges[-1]:
                best = edge
            edge = next(natural)
        edges.append(min(best, n))
        if goal >= n:
            edges[-1] = n
    return edges


_UNITS = {"": 1, "b": 1, "k": 10**3, "m": 10**6, "g": 10**9, "ki": 2**10, "mi": 2**20, "gi": 2**30}


def parse_size(text: str) -> int:
    """Read a size such as ``"64 MB"`` or ``"1 GiB"`` as bytes.

    Raises
    ------
    ConfigError
        The text is no size, or less than one byte.
    """
    lower = text.strip().lower()
    number = lower.rstrip("abcdefghijklmnopqrstuvwxyz ")
    unit = lower[len(number) :].strip()
    try:
        size = float(number) * _UNITS[unit if unit == "b" else unit.removesuffix("b")]
        if not 1 <= size < 1e18:
            raise ValueError(size)
    except (ValueError, KeyError):
        raise ConfigError(
            f"{text!r} is no size", remedy="write for example '64 MB' or a number of events"
        ) from None
    return int(size)

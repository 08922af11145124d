"""Files that hold a single dataset: file and dataset are one object."""

from __future__ import annotations

from typing import Any, Self

from km3gpu.errors import UnknownNameError

__all__ = ["OneDataset"]


class OneDataset:
    """What files of one dataset have in common; a format adds tables, columns and how they are read.

    Parameters
    ----------
    path : str
        The file.

    Attributes
    ----------
    kind, name : str
        Of the dataset.
    where : str
        The file, for errors.
    n_entries : int
        Number of entries, which the format sets.
    """

    kind: str = ""
    name: str = ""
    uuid: str = ""

    def __init__(self, path: str) -> None:
        self.path = path
        self.where = path
        self.names = [self.name]
        self.n_entries = 0

    def dataset(self, name: str) -> Self:
        """Give the dataset."""
        if name != self.name:
            raise UnknownNameError.of("tree", name, self.names, where=self.path)
        return self

    def default(self) -> str:
        """Give the name of the only dataset."""
        return self.name

    def counts(self) -> dict[str, int]:
        """Give the number of entries."""
        return {self.name: self.n_entries}

    def header(self) -> Any:
        """Give no header, where the format has none."""
        return None

    def meta(self) -> list[dict[str, Any]]:
        """Give no META of Jpp, where the format has none."""
        return []

    def hidden(self, table: str) -> tuple[str, ...]:
        """Give the columns that are read only by name: none."""
        return ()

    def edges(self) -> list[int]:
        """Give every entry, where reading may start anywhere."""
        return list(range(self.n_entries + 1))

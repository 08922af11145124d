"""What files of several datasets have in common that hold neither a header nor META of Jpp."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from km3gpu.errors import UnknownNameError
from km3gpu.io.dataset import Dataset

__all__ = ["ManyDatasets"]


class ManyDatasets:
    """Datasets by name.

    Parameters
    ----------
    path : str
        The file.
    datasets : mapping of str to Dataset
        The first is the default.
    """

    uuid = ""

    def __init__(self, path: str, datasets: Mapping[str, Dataset]) -> None:
        self.path = path
        self.names = list(datasets)
        self._datasets = dict(datasets)

    def dataset(self, name: str) -> Dataset:
        """Give a dataset by its name.

        Raises
        ------
        UnknownNameError
            The file has none of this name.
        """
        if name not in self._datasets:
            raise UnknownNameError.of("tree", name, self.names, where=self.path)
        return self._datasets[name]

    def default(self) -> str:
        """Give the name of the first dataset."""
        return self.names[0]

    def counts(self) -> dict[str, int]:
        """Give the number of entries of each."""
        return {n: d.n_entries for n, d in self._datasets.items()}

    def header(self) -> None:
        """Give no header."""
        return

    def meta(self) -> list[dict[str, Any]]:
        """Give no META of Jpp."""
        return []

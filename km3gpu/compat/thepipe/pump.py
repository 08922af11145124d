"""A pump for every file that km3gpu reads: event by event, with the tables of km3pipe."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import km3gpu
from km3gpu.compat.thepipe.blob import Blob
from km3gpu.compat.thepipe.events import Events
from km3gpu.compat.thepipe.module import Module
from km3gpu.compat.thepipe.provenance import Provenance

__all__ = ["EventPump"]


class EventPump(Module):
    """Pump the events of files: ROOT (offline, DAQ events, timeslices), HDF5 of km3pipe and others.

    It can also be iterated: ``for blob in EventPump(filename="run.root"): ...``.

    Parameters
    ----------
    filename : str
        A path or pattern.
    filenames : list of str
        Several of them, instead.
    tree : str, optional
        The first with entries by default.
    tables : list of str, optional
        Tables to read; all by default.
    chunk : int or str
        How much is read at a time, ``"64 MB"`` by default.
    """

    def configure(self) -> None:
        """Open the files."""
        names = self.get("filenames") or [self.require("filename")]
        self.source: Any = km3gpu.open(names[0] if len(names) == 1 else names)
        self._how = {
            "step": self.get("chunk", "64 MB"),
            "tables": self.get("tables"),
            "tree": self.get("tree"),
        }
        for path in names:
            Provenance().record_input(str(path), comment="EventPump input")
        self.expose(self.source.header, "header")
        self._blobs = self._every()

    def process(self, blob: Any = None) -> Blob:
        """Give the next event.

        Raises
        ------
        StopIteration
            There is none left.
        """
        return next(self._blobs)

    def _every(self) -> Iterator[Blob]:
        for chunk in self.source.chunks(**{k: v for k, v in self._how.items() if v is not None}):
            events = Events(chunk)
            for i in range(len(events)):
                yield events.blob(i)

    def __iter__(self) -> Iterator[Blob]:
        return self._every()

    def __next__(self) -> Blob:
        return next(self._blobs)

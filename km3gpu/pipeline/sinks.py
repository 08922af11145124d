"""The sinks by the name of their format, each imported when it is asked for.

A worker that writes Parquet needs nothing of FITS or HDF5: with astropy and
h5py it is 25 MB larger and 0.4 s later.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

__all__ = ["SINKS"]


class _Sinks(Mapping[str, type[Any]]):
    _names: ClassVar = {
        "parquet": ("parquet", "ParquetSink"),
        "hdf5": ("hdf5", "HDF5Sink"),
        "fits": ("fits", "FitsSink"),
        "km3pipe": ("km3pipe", "Km3PipeSink"),
        "histogram": ("histogram_sink", "HistogramSink"),
    }

    def __getitem__(self, name: Any) -> type[Any]:
        module, sink = self._names[name]
        found: type[Any] = getattr(importlib.import_module(f"km3gpu.io.{module}"), sink)
        return found

    def __contains__(self, name: object) -> bool:
        return name in self._names  # asked of what a user wrote, before anything is imported

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


SINKS = _Sinks()

"""Histograms as a sink: each chunk is counted, and the counts of all chunks add up to one file.

The file is JSON in the form that boost-histogram, hist and others agreed on (UHI
serialisation, schema 1), a histogram by name.  Counts are whole numbers and sums
of weights are exact until the last step, so the bytes are the same for any
chunks, workers and order.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from km3gpu import config, extras
from km3gpu.chunk import Chunk
from km3gpu.errors import ConfigError, FormatError, InputNotFoundError, Km3GpuError
from km3gpu.io import exact_sums, sink
from km3gpu.io.histogram import Histogram
from km3gpu.table import Table
from km3gpu.tomlfile import Section

__all__ = ["HistogramSink", "load_merged", "read_histograms"]

_FORMAT = "km3gpu histograms of a chunk"


@dataclass(frozen=True)
class HistogramSink:
    """Count rows of all chunks in histograms, one file for the run (extra ``hist``).

    A value that is not a number is counted above the last bin.

    Attributes
    ----------
    name : str
        Name of the merged file, without suffix.
    histogram : tuple of Histogram
        In a plan each is a table ``[[sink.histogram]]``.
    """

    format: ClassVar[str] = "histogram"
    suffix: ClassVar[str] = ".hist.json"
    tables: ClassVar[tuple[str, ...]] = ()

    name: str = "histograms"
    histogram: tuple[Histogram, ...] = ()

    def __post_init__(self) -> None:
        names = [h.name for h in self.histogram]
        for name in names:
            if names.count(name) > 1:
                raise ConfigError(f"two histograms called {name!r}", remedy="give one another name")

    @classmethod
    def from_section(cls, section: Section) -> config.Resolved[HistogramSink]:
        """Make the sink that a ``[[sink]]`` table with ``[[sink.histogram]]`` tables describes.

        Raises
        ------
        ConfigError
            No histogram, an unknown key, or a value that is not valid.
        """
        config.check_keys(section, ("name", "histogram"))
        listed = section.values.get("histogram", ())
        if not isinstance(listed, list | tuple) or not listed or not all(isinstance(h, dict) for h in listed):
            raise ConfigError(
                "a sink without histograms",
                where=section.where("histogram"),
                remedy="write [[sink.histogram]]",
            )
        made: list[Histogram] = []
        origins: dict[str, str] = {}
        for i, values in enumerate(listed):
            one = Section(section.document, (*section.key, "histogram", i), values)
            for key in ("name", "x"):
                if key not in values:
                    raise ConfigError(f"a histogram without {key!r}", where=one.where(), remedy=f"give {key}")
            try:
                got = config.resolve(Histogram, section=one)
            except Km3GpuError as error:
                named = [k for k in values if error.what.startswith(k)]
                error.where = error.where or one.where(*named[:1])
                raise
            made.append(got.value)
            origins |= {f"histogram.{i}.{k}": v for k, v in got.origins.items()}
        name = section.values.get("name", cls.name)
        origins["name"] = section.where("name") if "name" in section.values else "default"
        return config.Resolved(cls(name, tuple(made)), origins)

    def reads(self, kind: str) -> Mapping[str, tuple[str, ...]]:
        """Give the columns in the expressions."""
        found: dict[str, dict[str, None]] = {}
        for expression in (e for h in self.histogram for e in h.expressions.values()):
            for table, columns in expression.reads.items():
                found.setdefault(table, {}).update(dict.fromkeys(columns))
        return {table: tuple(columns) for table, columns in found.items()}

    requires = reads

    def fingerprint(self) -> str:
        """Describe all that shapes the bytes, as canonical JSON."""
        about = {"sink": self.format, "histogram": [asdict(h) for h in self.histogram]}
        return json.dumps(about, sort_keys=True, separators=(",", ":"))

    def write(self, chunk: Chunk, path: Path) -> sink.Part:
        """Count one chunk (see `Sink.write`)."""
        return self._write({h.name: h.count(chunk) for h in self.histogram}, path)

    def _write(self, counted: Mapping[str, Mapping[str, Any]], path: Path) -> sink.Part:
        data: dict[str, Any] = {"format": _FORMAT, "fingerprint": json.loads(self.fingerprint())}
        for name, made in counted.items():
            filled = np.flatnonzero(made["counts"])
            entry = {"bins": filled.tolist(), "counts": made["counts"][filled].tolist()}
            for key in ("sums", "squares"):
                if key in made:
                    entry[key] = exact_sums.to_text(made[key])
            data.setdefault("histograms", {})[name] = entry
        rows = {name: int(made["counts"].sum()) for name, made in counted.items()}
        return _written(json.dumps(data, separators=(",", ":")) + "\n", rows, path)

    def join(self, parts: Sequence[Path], path: Path) -> sink.Part:
        """Make the part of a chunk from those of its halves: the same bytes as from the whole."""
        return self._write(self._added(parts), path)

    def _added(self, parts: Sequence[Path]) -> dict[str, dict[str, Any]]:
        total = {h.name: self._nothing(h) for h in self.histogram}
        for part in parts:
            data = _loaded(part)
            if data.get("format") != _FORMAT or data["fingerprint"] != json.loads(self.fingerprint()):
                raise FormatError("no part of these histograms", where=str(part), remedy="run again")
            for name, entry in data["histograms"].items():
                made = total[name]
                made["counts"][entry["bins"]] += np.asarray(entry["counts"], np.int64)
                for key in ("sums", "squares"):
                    if key in made:
                        made[key] = exact_sums.added([made[key], exact_sums.from_text(entry[key])])
        return total

    @staticmethod
    def _nothing(histogram: Histogram) -> dict[str, Any]:
        made: dict[str, Any] = {"counts": np.zeros(int(np.prod(histogram.shape)), np.int64)}
        return made | ({"sums": {}, "squares": {}} if histogram.weight else {})

    def merge(self, parts: Sequence[Path], path: Path, provenance: str) -> sink.Part:
        """Add the parts up (see `Sink.merge`)."""
        total = self._added(parts)
        data: dict[str, Any] = {}
        for h in self.histogram:
            made = total[h.name]
            storage: dict[str, Any] = {"type": "int", "values": made["counts"].reshape(h.shape).tolist()}
            if h.weight:
                size = int(np.prod(h.shape))
                sums, squares = (exact_sums.rounded(made[k], size) for k in ("sums", "squares"))
                storage = {
                    "type": "weighted",
                    "values": sums.reshape(h.shape).tolist(),
                    "variances": squares.reshape(h.shape).tolist(),
                }
            about = {k: v for k, v in asdict(h).items() if v not in ((), "", 0)}
            entries = int(made["counts"].sum())
            metadata = {"km3gpu": about, "entries": entries}
            if not data:  # the record of the run, once for all histograms
                metadata[sink.PROVENANCE] = json.loads(provenance)
            data[h.name] = {"uhi_schema": 1, "axes": h.axes(), "storage": storage, "metadata": metadata}
        rows = {h.name: int(total[h.name]["counts"].sum()) for h in self.histogram}
        return _written(json.dumps(data, separators=(",", ":")) + "\n", rows, path)

    def read(self, path: Path) -> dict[str, Table]:
        """Read a part or merged file back: a table for each histogram, a row for each bin."""
        data = _loaded(path)
        if data.get("format") == _FORMAT:
            total = self._added([path])
            sizes = {h.name: int(np.prod(h.shape)) for h in self.histogram}
            columns = {
                name: {"counts": made["counts"]}
                | {k: exact_sums.rounded(made[k], sizes[name]) for k in ("sums", "squares") if k in made}
                for name, made in total.items()
            }
        else:
            columns = {
                name: {k: np.asarray(v).reshape(-1) for k, v in entry["storage"].items() if k != "type"}
                for name, entry in data.items()
            }
        return {name: Table(name, made) for name, made in columns.items()}


def read_histograms(path: str | os.PathLike[str]) -> dict[str, Any]:
    """Read the histograms of a run.

    Parameters
    ----------
    path : path
        The merged file of a histogram sink.

    Returns
    -------
    dict of str to boost_histogram.Histogram
        By name; with weights the storage is ``Weight`` (values and variances).

    Raises
    ------
    FormatError
        No such file of histograms.
    MissingExtraError
        boost-histogram is not installed.
    """
    bh = extras.require("boost_histogram", "hist")
    serialization = extras.require("boost_histogram.serialization", "hist")
    made = {}
    for name, entry in load_merged(Path(path)).items():
        storage = {k: v if k == "type" else np.asarray(v) for k, v in entry["storage"].items()}
        axes = [{k: np.asarray(v) if k == "edges" else v for k, v in a.items()} for a in entry["axes"]]
        made[name] = bh.Histogram(serialization.from_uhi({**entry, "storage": storage, "axes": axes}))
    return made


def load_merged(path: Path) -> dict[str, Any]:
    """Give the merged file of a histogram sink, as it stands in JSON: a histogram by name.

    Raises
    ------
    InputNotFoundError, FormatError
        No such file, or no merged file of histograms.
    """
    data = _loaded(path)
    if data.get("format") == _FORMAT:
        raise FormatError("histograms of one chunk", where=str(path), remedy="read the merged file")
    return data


def _loaded(path: Path) -> dict[str, Any]:
    try:
        data = json.loads(path.read_bytes())
        if isinstance(data, dict) and (data.get("format") == _FORMAT or _is_uhi(data)):
            return data
    except FileNotFoundError:
        raise InputNotFoundError(f"no file {str(path)!r}", remedy="check the path") from None
    except (ValueError, IsADirectoryError):
        pass
    raise FormatError("no file of histograms", where=str(path), remedy="give the .hist.json file of a run")


def _is_uhi(data: Mapping[str, Any]) -> bool:
    return all(isinstance(d, dict) and d.get("uhi_schema") == 1 for d in data.values())


def _written(text: str, rows: Mapping[str, int], path: Path) -> sink.Part:
    with sink.HashingFile(path) as file:
        file.write(text.encode())
    return sink.Part(rows, file.size, file.digest)

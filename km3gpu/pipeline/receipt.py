"""The receipt of a chunk: what was read, made and written, where, and how long it took.

A run keeps the receipts of all its chunks, a hundred thousand of them say, so words
that are the same in all of them are kept once: 3.4 kB each, where there were 6.
"""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar

from km3gpu.chunk import merge_counters
from km3gpu.io.sink import Sink
from km3gpu.pipeline.faults import Fault

__all__ = ["Output", "Receipt", "Total", "sink_key", "total"]


def sink_key(sink: Sink) -> str:
    """Give a short digest of all that shapes the bytes a sink writes."""
    return hashlib.sha256(sink.fingerprint().encode()).hexdigest()[:12]


class _Shared:
    """Values that may come from JSON or another process, of which many are kept."""

    __slots__ = ()

    def __post_init__(self) -> None:
        for name in self._words:
            object.__setattr__(self, name, sys.intern(getattr(self, name)))
        for name in self._facts:
            facts = {sys.intern(k): v for k, v in getattr(self, name).items()}
            object.__setattr__(self, name, facts)

    def __reduce__(self) -> tuple[Any, ...]:
        # made anew where it arrives, so that words are shared there too
        return type(self), tuple(getattr(self, f.name) for f in fields(self))  # type: ignore[arg-type]

    _words: ClassVar[tuple[str, ...]] = ()
    _facts: ClassVar[tuple[str, ...]] = ()


@dataclass(frozen=True, slots=True)
class Output(_Shared):
    """One file that a chunk, or the merge of all, left behind.

    Attributes
    ----------
    sink : str
        Short digest of the sink's configuration.
    name : str
        Name of the file, relative to its folder.
    rows : mapping of str to int
        Rows by table.
    bytes : int
        Size.
    digest : str
        ``"sha256:..."``.
    """

    sink: str
    name: str
    rows: Mapping[str, int]
    bytes: int
    digest: str

    _words: ClassVar = ("sink",)
    _facts: ClassVar = ("rows",)

    def to_json(self) -> dict[str, Any]:
        """Give the output as plain values."""
        return {f: getattr(self, f) for f in self.__slots__} | {"rows": dict(self.rows)}


@dataclass(frozen=True, slots=True)
class Receipt(_Shared):
    """What `run_chunk` returns and the journal keeps.

    Attributes
    ----------
    id : str
        Identity of the chunk.
    state : str
        ``"done"`` or ``"failed"``.
    attempt : int
        From 1.
    entries : (int, int)
        Entry range.
    path, tree : str
        What was read.
    outputs : tuple of Output
        One part for each sink.
    n_in, n_out : int
        Events read and events written.
    rows : mapping of str to int
        Rows by table after the last stage.
    bytes_in : int
        Bytes of the columns that were read.
    counters : mapping of str to float
        What the stages counted, as ``stage/name``.
    seconds : mapping of str to float
        Wall time of ``read``, each stage and ``write``, in order.
    cpu : float
        CPU seconds of the worker's process meanwhile.
    started : float
        Seconds since 1970.
    worker : str
        ``"host:pid"``.
    device : str
        ``"cpu"``, or the GPU's name.
    environment : str
        Digest of the worker's environment (see `km3gpu.pipeline.environment`).
    peak_memory : int
        Largest resident memory of the worker's process until now, in bytes.
    fault : Fault, optional
        Why it failed.
    reader : str
        ``"host:pid"`` of the process that read it, where that is not the worker.
    """

    id: str
    state: str
    attempt: int
    path: str
    tree: str
    entries: tuple[int, int]
    outputs: tuple[Output, ...] = ()
    n_in: int = 0
    n_out: int = 0
    rows: Mapping[str, int] = field(default_factory=dict)
    bytes_in: int = 0
    counters: Mapping[str, float] = field(default_factory=dict)
    seconds: Mapping[str, float] = field(default_factory=dict)
    cpu: float = 0.0
    started: float = 0.0
    worker: str = ""
    device: str = ""
    environment: str = ""
    peak_memory: int = 0
    fault: Fault | None = None
    reader: str = ""

    _words: ClassVar = ("state", "path", "tree", "worker", "device", "environment", "reader")
    _facts: ClassVar = ("rows", "counters", "seconds")

    def to_json(self) -> dict[str, Any]:
        """Give the receipt as plain values."""
        values = {f: getattr(self, f) for f in self.__slots__}
        for name in self._facts:
            values[name] = dict(values[name])
        values["outputs"] = tuple(o.to_json() for o in self.outputs)
        values["fault"] = None if self.fault is None else asdict(self.fault)
        return values

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Receipt:
        """Make the receipt that `to_json` described."""
        values = {f.name: data[f.name] for f in fields(cls) if f.name in data}
        values["entries"] = tuple(values["entries"])
        values["outputs"] = tuple(Output(**o) for o in values.get("outputs", ()))
        values["fault"] = None if values.get("fault") is None else Fault(**values["fault"])
        return cls(**values)


@dataclass(frozen=True)
class Total:
    """Sums over receipts."""

    n_in: int
    n_out: int
    bytes_in: int
    rows: Mapping[str, int]
    counters: Mapping[str, float]
    seconds: Mapping[str, float]
    cpu: float
    peak_memory: int


def total(receipts: Iterable[Receipt]) -> Total:
    """Add receipts up; counters as `km3gpu.chunk.merge_counters` does."""
    n_in = n_out = bytes_in = peak = 0
    cpu = 0.0
    rows: dict[str, int] = {}
    counters: dict[str, float] = {}
    seconds: dict[str, float] = {}
    for r in receipts:
        n_in, n_out, bytes_in = n_in + r.n_in, n_out + r.n_out, bytes_in + r.bytes_in
        cpu, peak = cpu + r.cpu, max(peak, r.peak_memory)
        for name, n in r.rows.items():
            rows[name] = rows.get(name, 0) + n
        for name, s in r.seconds.items():
            seconds[name] = seconds.get(name, 0.0) + s
        counters = merge_counters(counters, r.counters)
    return Total(n_in, n_out, bytes_in, rows, counters, seconds, cpu, peak)

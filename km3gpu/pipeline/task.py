"""One chunk from file to parts: the only thing that every runner runs.

A task is plain values: it goes to a thread, a process or a machine far away,
and what comes back is a receipt.  Doing a task twice does no harm: a part has
its final name only when it is whole and on disk, and it is the same bytes.
"""

from __future__ import annotations

import contextlib
import os
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from km3gpu import backend, kernels, streams
from km3gpu.backend import Backend
from km3gpu.chunk import Chunk, Origin, code_version
from km3gpu.errors import BackendError
from km3gpu.io.sink import Sink
from km3gpu.pipeline import environment, memory
from km3gpu.pipeline.faults import fault_of
from km3gpu.pipeline.labels import labelled
from km3gpu.pipeline.plan import Input, check_input
from km3gpu.pipeline.receipt import Output, Receipt, sink_key
from km3gpu.pipeline.surroundings import read_with_surroundings
from km3gpu.pipeline.tags import part_word
from km3gpu.stages.stage import Stage

__all__ = ["Read", "Task", "part_name", "publish", "read_chunk", "run_chunk"]


@dataclass(frozen=True)
class Task:
    """All that a worker needs to make one chunk.

    Attributes
    ----------
    id : str
        Identity of the chunk.
    origin : Origin
        What to read.
    source : Input
        The file, as the plan knows it.
    stages : tuple of Stage
    history : tuple of str
        Their fingerprints.
    sinks : tuple of Sink
    out : str
        Directory of the run.
    code : str
        Version of the code that planned it.
    backend : str
        Where the arrays go.
    threads : int
        CPU threads for the kernels; 0: as many as there are.
    attempt : int
        From 1.
    verify : bool
        Read all bytes of the input again, once in each process, before it is used.
    """

    id: str
    origin: Origin
    source: Input
    stages: tuple[Stage, ...]
    history: tuple[str, ...]
    sinks: tuple[Sink, ...]
    out: str
    code: str
    backend: str = "auto"
    threads: int = 0
    attempt: int = 1
    verify: bool = False


def part_name(identity: str, sink: Sink) -> str:
    """Give the name of the part that a sink makes of a chunk."""
    return f"{identity}.{part_word(sink.name)}{sink.suffix}"


def publish(temporary: Path, final: Path) -> None:
    """Give a file that is on disk its final name, and see that the name is on disk too."""
    temporary.replace(final)
    folder = os.open(final.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


@dataclass(frozen=True)
class Read:
    """A chunk as one worker read it, for another to make its parts.

    Attributes
    ----------
    chunk : Chunk
        On the CPU.
    seconds : dict of str to float
        Wall time of ``read``.
    cpu : float
        CPU seconds of the reader's process meanwhile.
    worker : str
        ``"host:pid"`` of the reader.
    peak_memory : int
        Largest resident memory of its process until now, in bytes.
    """

    chunk: Chunk
    seconds: dict[str, float]
    cpu: float
    worker: str
    peak_memory: int


def read_chunk(task: Task) -> Read | Receipt:
    """Read one chunk, for `run_chunk` in another process.

    Parameters
    ----------
    task : Task

    Returns
    -------
    Read
        Or the receipt of a chunk that could not be read.
    """
    clock = _Clock()
    try:
        _check(task)
        where = backend.select("cpu")
        own_threads = kernels.threads(task.threads) if task.threads else contextlib.nullcontext()
        with own_threads, clock.time("read"):
            chunk = _read(task, where)
    except Exception as error:
        return _receipt(task, clock, "failed", {"fault": fault_of(error)})
    return Read(chunk, clock.seconds, clock.cpu, environment.worker_name(), memory.peak())


def run_chunk(task: Task, read: Read | None = None) -> Receipt:
    """Read one chunk, apply the stages, write a part for each sink.

    Parameters
    ----------
    task : Task
    read : Read, optional
        What another worker has read of it.

    Returns
    -------
    Receipt
        Also for a chunk that failed: what went wrong is in ``fault``.
    """
    clock = _Clock()
    try:
        done = _run(task, clock, read)
        state = "done"
    except Exception as error:  # every fault of a chunk becomes a receipt, none stops the worker
        done, state = {"fault": fault_of(error)}, "failed"
    receipt = _receipt(task, clock, state, done)
    if read is None:
        return receipt
    peak = max(receipt.peak_memory, read.peak_memory)
    return replace(receipt, reader=read.worker, cpu=receipt.cpu + read.cpu, peak_memory=peak)


def _receipt(task: Task, clock: _Clock, state: str, done: dict[str, object]) -> Receipt:
    known: dict[str, object] = {
        "id": task.id,
        "state": state,
        "attempt": task.attempt,
        "path": task.origin.path,
        "tree": task.origin.tree,
        "entries": (task.origin.start, task.origin.stop),
        "started": clock.started,
        "worker": environment.worker_name(),
        "seconds": clock.seconds,
        "cpu": clock.cpu,
        "peak_memory": memory.peak(),
    }
    return Receipt(**known, **done)  # type: ignore[arg-type]


def _check(task: Task) -> None:
    """See that this worker runs the code of the plan, and that the input is still what it was."""
    if code_version() != task.code:
        raise BackendError(
            f"a worker runs code {code_version()}, the plan was made by {task.code}",
            where=environment.worker_name(),
            remedy="install the same km3gpu on all workers",
        )
    check_input(task.source)
    if task.verify:
        _verify(task.source, task.out)


def _run(task: Task, clock: _Clock, read: Read | None) -> dict[str, object]:
    _check(task)
    out = Path(task.out)
    where = backend.select(task.backend)
    own_threads = kernels.threads(task.threads) if task.threads else contextlib.nullcontext()
    with own_threads, streams.lane(where):
        if read is None:
            with clock.time("read"):
                chunk = _read(task, where)
        else:
            clock.seconds |= read.seconds
            chunk = read.chunk
            if where.name != "cpu":
                with clock.time("to the device"):
                    chunk = chunk.to(where)
        n_in, bytes_in = task.origin.n_entries, chunk.nbytes
        for stage in task.stages:
            with clock.time(stage.title):
                chunk = stage(chunk)
        where.synchronize()
        chunk = Chunk(task.origin, chunk.tables, task.history, chunk.counters)
    with clock.time("write"):
        outputs = tuple(_write(chunk, sink, task.id, out / "parts") for sink in task.sinks)
    if chunk.nbytes > _LARGE:  # it costs the time to ask for the pages again
        memory.give_back()
    return {
        "outputs": outputs,
        "n_in": n_in,
        "n_out": chunk.n_events,
        "rows": {n: len(t) for n, t in chunk.tables.items()},
        "bytes_in": bytes_in,
        "counters": {k: float(v) for k, v in chunk.counters.items()} | _pool(where),
        "device": environment.device_name(where.name),
        "environment": environment.store(out / "environments"),
    }


def _pool(where: Backend) -> dict[str, float]:
    """Give the high-water mark of a GPU's memory pool; the merged record keeps the largest."""
    return {"device/max_pool_bytes": float(where.memory().peak)} if where.name == "cuda" else {}


_LARGE = 32e6  # bytes of a chunk
_VERIFIED: set[tuple[str, str, str]] = set()


def _verify(source: Input, out: str) -> None:
    """Read all bytes of an input again, once for each run in this process."""
    key = (out, source.path, source.digest)
    if key not in _VERIFIED:
        check_input(source, verify=True)
        _VERIFIED.add(key)


def _read(task: Task, where: Backend) -> Chunk:
    chunk = read_with_surroundings(task.origin, task.stages, task.source.n_entries, where)
    return labelled(_numbered(chunk), task.source.label)


def _numbered(chunk: Chunk) -> Chunk:
    """Give each event the number of its entry, by which a row is found again in its file."""
    if "events" not in chunk or "entry" in chunk.events:
        return chunk
    events = chunk.events
    xp = backend.namespace(events.flat(events.columns[0])) if events.columns else backend.select("cpu").xp
    entry = xp.arange(chunk.source.start, chunk.source.stop, dtype="int64")
    return Chunk(chunk.source, {**chunk.tables, "events": events.with_columns(entry=entry)}, chunk.history)


def _write(chunk: Chunk, sink: Sink, identity: str, folder: Path) -> Output:
    final = folder / part_name(identity, sink)
    temporary = folder / f"{final.name}.{uuid.uuid4().hex[:12]}.tmp"
    try:
        part = sink.write(chunk, temporary)
        publish(temporary, final)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    return Output(sink_key(sink), final.name, part.rows, part.bytes, part.digest)


class _Clock:
    """Wall time by step; steps of one name add up.  When it began, and the CPU time since."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self.started, self._cpu = time.time(), time.process_time()

    @property
    def cpu(self) -> float:
        return time.process_time() - self._cpu

    @contextlib.contextmanager
    def time(self, name: str) -> Iterator[None]:
        start = time.perf_counter()
        try:
            yield
        finally:
            spent = time.perf_counter() - start
            self.seconds[name] = self.seconds.get(name, 0.0) + spent

"""Kernel launches: which driver runs, on how many threads, and how it is compiled.

A `Kernel` joins the drivers of one kernel.  Its CPU drivers come in two kinds:
``block(start, stop, *args)`` does a range of items on the calling thread and
lets go of the GIL; ``blocks(n, n_blocks, *args)`` runs blocks in parallel.  Both
return the smallest fault (see `km3gpu.kernels.scalar.fault`).  The CUDA driver
``kernel(n, *args, slot)`` keeps the smallest fault in ``slot[0]``.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import importlib
import os
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numba
import numpy as np

from km3gpu import backend as _backend
from km3gpu.errors import BackendError
from km3gpu.kernels import extensions
from km3gpu.kernels.scalar.fault import NONE

__all__ = ["NONE", "Kernel", "Launch", "block", "blocks", "recording", "run", "threads"]

# Below this many hits a parallel region costs more than it saves.
_PARALLEL_FROM = 32_768
_MAX_BLOCKS_PER_GRID = 65_535
# The simulator gives every thread of a block a thread of the operating system.
_SIMULATED_BLOCK, _SIMULATED_GRID = 32, 2

extensions.hold_back()
_simulated = os.environ.get("KM3GPU_BACKEND", "").lower() == "cudasim"
_wanted = threading.local()
# numba's workqueue layer aborts the process when two threads launch parallel
# code at once; one at a time is safe on every layer.
_one_parallel_launch = threading.Lock()
# the simulator puts its own ``cuda`` into the kernel's module while it runs
_one_simulation = threading.Lock()


@contextlib.contextmanager
def threads(n: int) -> Iterator[None]:
    """Use `n` CPU threads for the kernels that this thread calls.

    Without it the main thread uses all that numba has, and any other thread
    one, since it is one of many already.

    Parameters
    ----------
    n : int
        1 takes the serial drivers, which let go of the GIL.
    """
    if n < 1:
        raise BackendError(f"kernels cannot run on {n} threads", remedy="take 1 or more")
    before = getattr(_wanted, "n", None)
    _wanted.n = n
    try:
        yield
    finally:
        _wanted.n = before


def n_threads() -> int:
    """Give the number of CPU threads that a kernel called here may use."""
    wanted = getattr(_wanted, "n", None)
    if wanted is None:
        main = threading.current_thread() is threading.main_thread()
        return int(numba.config.NUMBA_NUM_THREADS) if main else 1
    return min(int(wanted), int(numba.config.NUMBA_NUM_THREADS))


@dataclass(frozen=True)
class Kernel:
    """One kernel: its drivers and what is promised of them.

    Attributes
    ----------
    name : str
        ``"module.function"``; the CUDA driver and the reference are the
        functions of that name in ``kernels.cuda`` and ``kernels.reference``.
    block, blocks : callable or None
        CPU drivers, serial and parallel; None where the CPU goes another way.
    signatures : tuple of tuple of str
        Argument types of the CUDA driver between ``n`` and ``slot``, one tuple
        per set that the public function launches; ``"i4[]"`` is a contiguous
        array of int32, ``"f8"`` a float64; none where a GPU goes another way.
    bytes_per_item : float
        Bytes that one item moves (read and written) with the first signature.
    item : str
        What one item is (``"hit"``, ``"event"``).
    registers : int
        Ceiling of registers per thread, on every architecture.
    threads_per_block : int
        Block size of a CUDA launch.
    threads_per_item : int
        CUDA threads that share one item; divides `threads_per_block`.
    checks : bool
        It may report a fault, so a launch waits for its slot.
    """

    name: str
    block: Callable[..., int] | None
    blocks: Callable[..., int] | None
    signatures: tuple[tuple[str, ...], ...]
    bytes_per_item: float
    item: str
    registers: int
    threads_per_block: int = 256
    threads_per_item: int = 1
    checks: bool = True

    def driver(self, room: str) -> Callable[..., Any]:
        """Give the function of this name in ``kernels.<room>`` (``"cuda"`` or ``"reference"``)."""
        module, function = self.name.split(".")
        found: Callable[..., Any] = getattr(
            importlib.import_module(f"km3gpu.kernels.{room}.{module}"), function
        )
        return found


@dataclass(frozen=True)
class Launch:
    """One launch as it was: what ran, where, over how many items, with which arguments.

    Attributes
    ----------
    args : tuple
        Copies of the arguments before the kernel ran.
    """

    kernel: Kernel
    where: str
    n: int
    args: tuple[Any, ...]

    def again(self) -> int:
        """Run it once more, on the same copies; give its fault."""
        return run(self.kernel, self.where, self.n, *self.args)


_recorders: list[list[Launch]] = []


@contextlib.contextmanager
def recording() -> Iterator[list[Launch]]:
    """Record all launches of this process, to look at them, compare or time them."""
    launches: list[Launch] = []
    _recorders.append(launches)
    try:
        yield launches
    finally:
        _recorders[:] = [r for r in _recorders if r is not launches]


def where_of(*arrays: Any) -> str:
    """Tell the backend's name for `arrays`, quickly for plain numpy."""
    for a in arrays:
        if type(a) is not np.ndarray:
            return _backend.of(*arrays).name
    return "cudasim" if _simulated else "cpu"


def run(kernel: Kernel, where: str, n: int, *args: Any, work: int | None = None) -> int:
    """Run `kernel` over `n` items.

    Parameters
    ----------
    kernel : Kernel
        What to run.
    where : str
        Name of the backend that the arrays are on.
    n : int
        Number of items; 0 runs nothing.
    *args
        Arguments of the drivers, arrays already allocated.
    work : int, optional
        Hits behind the items where an item is an event; decides whether
        threads pay.

    Returns
    -------
    int
        The smallest fault, `NONE` where all went well.
    """
    if n == 0:
        return NONE
    if _recorders:
        copies = tuple(a.copy() if hasattr(a, "copy") else a for a in args)
        for launches in _recorders:
            launches.append(Launch(kernel, where, n, copies))
    if where == "cpu":
        assert kernel.block is not None
        assert kernel.blocks is not None
        if (n if work is None else work) < _PARALLEL_FROM or (t := n_threads()) == 1:
            return kernel.block(0, n, *args)
        with _one_parallel_launch:
            before = numba.get_num_threads()
            numba.set_num_threads(t)
            try:
                return kernel.blocks(n, min(n, 8 * t), *args)
            finally:
                numba.set_num_threads(before)
    return _run_cuda(kernel, where, n, args)


def _run_cuda(kernel: Kernel, where: str, n: int, args: tuple[Any, ...]) -> int:
    xp = _backend.Backend(where).xp
    slot = xp.full(1, NONE, dtype=np.int64)
    grid, size = grid_of(kernel, n, simulated=where == "cudasim")
    if where == "cudasim":
        # the simulator writes every array back, those that are for reading too
        own = [a.copy() if isinstance(a, np.ndarray) and not a.flags.writeable else a for a in args]
        with _one_simulation:
            kernel.driver("cuda")[grid, size](n, *own, slot)  # type: ignore[index]
    else:
        from numba import cuda

        # the stream of the arrays' own library keeps launches in order with its work; numba
        # would wait for it once per array, unless told that there is no need
        stream = cuda.external_stream(xp.cuda.get_current_stream().ptr)
        views = [
            cuda.as_cuda_array(a, sync=False) if hasattr(a, "__cuda_array_interface__") else a
            for a in (*args, slot)
        ]
        kernel.driver("cuda")[grid, size, stream](n, *views)  # type: ignore[index]
    return int(slot[0]) if kernel.checks else NONE


def grid_of(kernel: Kernel, n: int, simulated: bool = False) -> tuple[int, int]:
    """Give blocks and threads per block for `n` items; the loops of a kernel do the rest."""
    size = _SIMULATED_BLOCK if simulated else kernel.threads_per_block
    most = _SIMULATED_GRID if simulated else _MAX_BLOCKS_PER_GRID
    return min(most, -(-n * kernel.threads_per_item // size)), size


def block(function: Callable[..., Any]) -> Any:
    """Compile a serial driver: no GIL, kept on disk."""
    return _compiled(function, nogil=True)


def blocks(function: Callable[..., Any]) -> Any:
    """Compile a parallel driver: no GIL, kept on disk."""
    return _compiled(function, nogil=True, parallel=True)


def _compiled(function: Callable[..., Any], **options: Any) -> Any:
    # kernels do not raise, and a loop whose divisions might does one item at a time
    options["error_model"] = "numpy"
    try:
        dispatcher = numba.njit(function, cache=True, **options)
    except RuntimeError:  # no place on this machine where a cache could be kept
        return numba.njit(function, **options)
    # numba looks at the driver's own file only; the functions that it calls are in others,
    # and code compiled from older ones must not be taken up again.
    kept = dispatcher._cache._cache_file
    kept._source_stamp = (kept._source_stamp, sources_digest(Path(function.__code__.co_filename)))
    return dispatcher


@functools.cache
def sources_digest(path: Path) -> str:
    """Hash a file of this room and the files of the room that it is made of."""
    found: dict[Path, bytes] = {}
    todo = [path]
    while todo:
        file = todo.pop()
        if file in found or not file.is_file():
            continue
        found[file] = file.read_bytes()
        for room, module, several, names in _IMPORT.findall(found[file].decode()):
            modules = (
                [module] if module else [n.split()[0] for n in (several or names).split(",") if n.strip()]
            )
            todo += [_HERE / room / f"{m}.py" for m in modules]
    return hashlib.sha256(b"\0".join(found[file] for file in sorted(found))).hexdigest()


_HERE = Path(__file__).parent
# "from km3gpu.kernels.scalar.x import y" and "from km3gpu.kernels.scalar import x as y, z"
_IMPORT = re.compile(
    r"^from km3gpu\.kernels\.(scalar|cpu|cuda)(?:\.(\w+))? import (?:\(([^)]*)\)|([^\n(]*))", re.MULTILINE
)

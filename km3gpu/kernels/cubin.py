"""Compile every kernel for every architecture, without a driver or a GPU; keep what came of it.

How one kernel is compiled is in `km3gpu.kernels.ptxas`.
"""

from __future__ import annotations

import concurrent.futures
import contextlib
import functools
import hashlib
import importlib.metadata
import json
import multiprocessing
import os
import tempfile
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path

from km3gpu.kernels import ptxas
from km3gpu.kernels.launch import Kernel, sources_digest
from km3gpu.kernels.ptxas import ARCHITECTURES, Architecture, Cubin, Tools, assemble, ptx, tools
from km3gpu.kernels.registry import kernels

__all__ = ["ARCHITECTURES", "Cubin", "Tools", "kept_in", "report", "tools"]


def report(
    architectures: Iterable[Architecture] | None = None,
    names: Iterable[str] | None = None,
    processes: int = 1,
    keep: Path | None = None,
) -> list[Cubin]:
    """Compile every kernel with every signature for every architecture.

    Parameters
    ----------
    architectures : iterable of (int, int), optional
        All that the tools support by default.
    names : iterable of str, optional
        Only these kernels.
    processes : int
        Compile in as many processes; it is some tenths of a second each.
    keep : Path, optional
        Folder of earlier results, by digest of a kernel's sources and of the
        compilers (`kept_in`): what is there is not compiled again.

    Returns
    -------
    list of Cubin
        By kernel, signature, architecture.

    Raises
    ------
    MissingExtraError
        No compilers.
    KernelError
        A kernel does not compile.
    """
    wanted = tuple(tools().architectures if architectures is None else architectures)
    chosen = None if names is None else set(names)
    jobs = [
        (kernel, signature)
        for kernel in kernels()
        if chosen is None or kernel.name in chosen
        for signature in kernel.signatures
    ]
    found = {job: _kept(keep, *job, wanted) for job in jobs}
    todo = [(kernel.name, signature, wanted) for (kernel, signature), rows in found.items() if rows is None]
    if processes == 1 or len(todo) < 2:
        made = [_job(job) for job in todo]
    else:
        spawn = multiprocessing.get_context("spawn")
        with concurrent.futures.ProcessPoolExecutor(processes, mp_context=spawn) as pool:
            made = list(pool.map(_job, todo))
    fresh = iter(made)
    every: list[Cubin] = []
    for (kernel, signature), rows in found.items():
        if rows is None:
            rows = next(fresh)
            _store(keep, kernel, signature, wanted, rows)
        every += rows
    return every


def kept_in() -> Path:
    """Give the folder where results are kept for this user: ``$XDG_CACHE_HOME/km3gpu/cubins``."""
    try:
        folder = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    except RuntimeError:  # some containers know no home of the user
        folder = Path(tempfile.gettempdir())
    return folder / "km3gpu" / "cubins"


def _place(folder: Path, kernel: Kernel, signature: tuple[str, ...], wanted: Iterable[Architecture]) -> Path:
    """Name the file of a result by all that it depends on."""
    code = kernel.driver("cuda").py_func.__code__  # type: ignore[attr-defined]
    shaping = [kernel.name, signature, sources_digest(Path(code.co_filename)), _compilers(), list(wanted)]
    return folder / f"{hashlib.sha256(json.dumps(shaping).encode()).hexdigest()[:32]}.json"


@functools.cache
def _compilers() -> list[str]:
    import numba

    version = importlib.metadata.version("numba-cuda")
    return [
        tools().cuda,
        numba.__version__,
        version,
        hashlib.sha256(Path(ptxas.__file__).read_bytes()).hexdigest(),
    ]


def _kept(
    folder: Path | None, kernel: Kernel, signature: tuple[str, ...], wanted: tuple[Architecture, ...]
) -> list[Cubin] | None:
    if folder is None:
        return None
    try:
        rows = json.loads(_place(folder, kernel, signature, wanted).read_text())
        return [
            Cubin(**{**row, "architecture": tuple(row["architecture"]), "ceiling": kernel.registers})
            for row in rows
        ]
    except (OSError, ValueError, TypeError, KeyError):
        return None  # not there, or not whole: compiled again


def _store(
    folder: Path | None,
    kernel: Kernel,
    signature: tuple[str, ...],
    wanted: tuple[Architecture, ...],
    rows: list[Cubin],
) -> None:
    if folder is None:
        return
    with contextlib.suppress(OSError):  # a full or closed folder only costs time
        folder.mkdir(parents=True, exist_ok=True)
        place = _place(folder, kernel, signature, wanted)
        temporary = place.with_suffix(f".{os.getpid()}.tmp")
        temporary.write_text(json.dumps([asdict(row) for row in rows]))
        temporary.replace(place)


def _job(job: tuple[str, tuple[str, ...], tuple[Architecture, ...]]) -> list[Cubin]:
    name, signature, architectures = job
    kernel = next(k for k in kernels() if k.name == name)
    texts = ptx(kernel, signature, architectures)
    return [assemble(kernel, signature, a, t) for a, t in zip(architectures, texts, strict=True)]

"""``km3gpu doctor``: what this machine and installation can do, and why not more."""

from __future__ import annotations

import dataclasses
import os
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from km3gpu.cli.command import command

if TYPE_CHECKING:
    from rich.table import Table

__all__ = ["examine", "register"]

# what a run works with; and what only some need, with the extra that brings it
_NEEDED = (
    "numpy",
    "numba",
    "awkward",
    "uproot",
    "pyarrow",
    "h5py",
    "dask",
    "distributed",
    "astropy",
    "deflate",
)
_OPTIONAL = {
    "cupy": "cuda12",
    "numba-cuda": "cuda12",
    "matplotlib": "plot",
    "km3net-testdata": "demo",
}


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""

    @command(app, "doctor")
    def doctor(
        kernels: Annotated[
            bool,
            typer.Option(
                "--kernels",
                help="Compile every kernel for every architecture, and show the result. "
                "What did not change since it was last compiled here is not compiled again.",
            ),
        ] = False,
        as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    ) -> None:
        """Say what is installed, which backend a run will use and why, and what is free.

        Exits with 1 where the backend that was asked for cannot be had, or a kernel does not compile.
        """
        from km3gpu.cli.printing import print_json

        with _waiting("compiling every kernel for every architecture" if kernels else ""):
            found = examine(kernels)
        if as_json:
            print_json(found)
        else:
            _show(found)
        if found["backend"]["taken"] is None or found["kernels"]["state"] == "failed":
            raise typer.Exit(1)


def examine(kernels: bool = False) -> dict[str, Any]:
    """Look at the machine and the installation.

    Parameters
    ----------
    kernels : bool
        Compile all CUDA kernels for all architectures; else one for one.

    Returns
    -------
    dict
        Plain values: ``version, path, git, python, system, cpu, gpu, packages,
        backend, kernels, memory, disk``.
    """
    from km3gpu.chunk import code_version
    from km3gpu.pipeline import environment

    told = environment.describe()
    return {
        "version": code_version(),
        "path": str(Path(__file__).parents[1]),
        "git": environment.git_state(),
        "python": told["python"],
        "system": told["system"],
        "cpu": {"model": told["cpu"], "usable": _usable_cpus(), "threads": _kernel_threads()},
        "gpu": told["gpu"],
        "packages": _packages(told["packages"]),
        "backend": _backend(),
        "kernels": _kernels(kernels),
        "memory": _memory(),
        "disk": _disk(),
    }


def _waiting(words: str) -> AbstractContextManager[Any]:
    """Show on a terminal that something long is going on."""
    if not words or not sys.stderr.isatty():
        return nullcontext()
    from rich.console import Console

    return Console(stderr=True).status(words)


def _packages(installed: Mapping[str, str]) -> dict[str, str]:
    found = {name: installed.get(name, "missing") for name in _NEEDED}
    for name, extra in _OPTIONAL.items():
        # cupy's wheels are named after the CUDA version
        version = next((v for n, v in installed.items() if n == name or n.startswith(f"{name}-cuda")), None)
        found[name] = version or f"not installed (pip install 'km3gpu[{extra}]')"
    return found


def _backend() -> dict[str, str | None]:
    from km3gpu import backend
    from km3gpu.errors import BackendError

    asked = os.environ.get("KM3GPU_BACKEND", "")
    try:
        taken = backend.select().name
    except BackendError as error:
        return {"taken": None, "why": str(error)}
    if asked and asked.lower() != "auto":
        why = f"KM3GPU_BACKEND={asked}"
    elif taken == "cuda":
        why = "a GPU can be used"
    else:
        why = str(backend.why_no_gpu())
    return {"taken": taken, "why": why}


def _kernels(everything: bool) -> dict[str, Any]:
    """Compile CUDA kernels to machine code, which needs compilers and no GPU."""
    from km3gpu.errors import BackendError, KernelError, MissingExtraError
    from km3gpu.kernels import cubin, registry

    try:
        tools = cubin.tools()
        if everything:
            made = cubin.report(processes=_usable_cpus(), keep=cubin.kept_in())
        else:
            first = [registry.kernels()[0].name]
            made = cubin.report(tools.architectures[:1], first, keep=cubin.kept_in())
    except MissingExtraError as error:
        return {"state": "no compilers", "why": str(error)}
    except (KernelError, BackendError) as error:
        return {"state": "failed", "why": str(error)}
    bad = [c for c in made if not c.good]
    return {
        "state": "failed" if bad else "compile",
        "why": f"{len(bad)} spill, or take too many registers" if bad else f"with CUDA {tools.cuda}",
        "compiled": len(made),
        "table": [{**dataclasses.asdict(c), "good": c.good} for c in made] if everything else None,
        "rooflines": _rooflines(made) if everything else None,
    }


def _rooflines(made: list[Any]) -> list[dict[str, Any]]:
    """Compute occupancy and least times on known cards, beside the time measured on this CPU."""
    from km3gpu.kernels import roofline

    return [line.as_dict() for line in roofline.lines(made, roofline.cpu_times())]


def _usable_cpus() -> int:
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def _kernel_threads() -> int:
    import numba

    return int(numba.config.NUMBA_NUM_THREADS)


def _memory() -> dict[str, int]:
    import psutil

    memory = psutil.virtual_memory()
    found = {"total": memory.total, "available": memory.available}
    limit = Path("/sys/fs/cgroup/memory.max")  # a container's or batch job's own limit
    if limit.exists() and (text := limit.read_text().strip()).isdigit():
        found["limit"] = int(text)
    return found


def _disk() -> dict[str, int]:
    return {str(path): shutil.disk_usage(path).free for path in (Path.cwd(), Path(tempfile.gettempdir()))}


def _show(found: Mapping[str, Any]) -> None:
    from km3gpu.cli.printing import bytes_text, facts, show

    gpu = found["gpu"]
    gpu = (
        gpu
        if isinstance(gpu, str)
        else f"{gpu['name']}, {bytes_text(gpu['memory_bytes'])}, driver {gpu['driver']}"
    )
    backend, kernels, memory, git = (found[k] for k in ("backend", "kernels", "memory", "git"))
    limit = f", limited to {bytes_text(memory['limit'])}" if "limit" in memory else ""
    show(
        facts(
            f"km3gpu {found['version']}",
            [
                ("from", found["path"] + (f", git {git['commit'][:12]}" if git else "")),
                ("Python", found["python"]),
                ("system", found["system"]),
                ("CPU", f"{found['cpu']['model']}, {found['cpu']['usable']} usable"),
                ("GPU", gpu),
                ("backend", f"{backend['taken'] or 'none'}: {backend['why']}"),
                ("CUDA kernels", f"{kernels['state']}: {kernels['why']}"),
                ("memory", f"{bytes_text(memory['available'])} free of {bytes_text(memory['total'])}{limit}"),
                *(("disk", f"{bytes_text(free)} free in {path}") for path, free in found["disk"].items()),
            ],
        ),
        "",
        facts("packages", found["packages"].items()),
    )
    if kernels.get("table"):
        show("", _ladder(kernels["table"]), "", _best_times(kernels["rooflines"]))


def _best_times(lines: list[dict[str, Any]]) -> Table:
    """Show the least time per item on each card; occupancy is that of the newest architecture."""
    from km3gpu.cli.printing import grid

    cards = list(dict.fromkeys(line["card"] for line in lines))
    by: dict[str, dict[str, dict[str, Any]]] = {}
    for line in lines:  # the first signature of each kernel: the figures are for that one
        by.setdefault(line["kernel"], {}).setdefault(line["card"], line)
    rows = []
    for kernel, on in by.items():
        any_line = next(iter(on.values()))
        cpu = "" if any_line["cpu_ns"] is None else f"{any_line['cpu_ns']:.3g}"
        occupancy = f"{100 * min(line['occupancy'] for line in on.values()):.0f} %"
        best = [f"{on[card]['roofline_ns']:.2g}" if card in on else "" for card in cards]
        moved = f"{any_line['bytes_per_item']:g}"
        rows.append([kernel, any_line["item"], moved, any_line["float64_operations"], occupancy, cpu, *best])
    heads = [
        "kernel",
        "item",
        ">bytes",
        ">f64 ops",
        ">occupancy",
        ">this CPU [ns]",
        *(f">{c}" for c in cards),
    ]
    title = "at best, ns per item: the cards' times and occupancy are computed, not measured"
    return grid(title, heads, rows)


def _ladder(cubins: list[dict[str, Any]]) -> Table:
    """Show registers by kernel and architecture; what is not good is marked."""
    from km3gpu.cli.printing import grid

    architectures = sorted({tuple(c["architecture"]) for c in cubins})
    names = list(dict.fromkeys((c["kernel"], c["signature"]) for c in cubins))
    by = {(c["kernel"], c["signature"], tuple(c["architecture"])): c for c in cubins}
    rows, seen = [], Counter[str]()
    for kernel, signature in names:
        seen[kernel] += 1  # the second and further signatures of a kernel are numbered
        label = kernel if seen[kernel] == 1 else f"{kernel} {seen[kernel]}"
        cells = [by[kernel, signature, a] for a in architectures]
        spills = max(c["spill_bytes"] for c in cells)
        stack = max(c["stack_bytes"] for c in cells)
        marks = [f"{c['registers']}" + ("" if c["good"] else " !") for c in cells]
        rows.append(
            [label, *marks, cells[0]["ceiling"], spills, stack, max(c["shared_bytes"] for c in cells)]
        )
    heads = [f">sm_{major}{minor}" for major, minor in architectures]
    title = "registers per thread, by kernel and architecture"
    return grid(title, ["kernel", *heads, ">ceiling", ">spills [B]", ">stack [B]", ">shared [B]"], rows)

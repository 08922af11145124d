"""The one script to run on a machine with a GPU: what is right there, and how fast it is.

``python -m benchmarks.gpu_check`` compares every kernel with the CPU at sizes that
have broken kernels before, times kernels and transfers with the GPU's own clock,
looks whether copies and work overlap and whether memory grows, runs a plan on real
data (with the extra ``demo``) against the same run on the CPU, and prints a
report to paste into the README.  ``--memcheck`` runs the comparison once more under
compute-sanitizer.

Without a GPU it runs at toy size on numba's simulator, to show that the script
itself works; the report then says that no figure in it means anything:
``NUMBA_ENABLE_CUDASIM=1 KM3GPU_BACKEND=cudasim python -m benchmarks.gpu_check``
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from km3gpu import backend as _backend
from km3gpu.backend import Backend
from km3gpu.chunk import code_version
from km3gpu.errors import Km3GpuError
from km3gpu.kernels import chain, launch
from km3gpu.kernels.examples import EXAMPLES, baskets, table_of
from km3gpu.kernels.lookup import PmtLookup
from km3gpu.kernels.roofline import CARDS, Card

SIZES = (0, 1, 31, 32, 33, 257, 10_000_000)
TOY_SIZES = (0, 1, 33)
# sines, cosines and square roots of a GPU's library are not those of the CPU's
TOLERANCE = {"sky": 1e-12, "healpix": 1e-12, "light": 1e-10, "moments": 1e-9}
REPEATS = 20
SANITIZERS = ("memcheck", "racecheck", "initcheck")


@dataclass
class Report:
    """What was found; ``failures`` is empty where all is well."""

    machine: dict[str, Any] = field(default_factory=dict)
    parity: list[dict[str, Any]] = field(default_factory=list)
    kernels: list[dict[str, Any]] = field(default_factory=list)
    transfers: list[dict[str, Any]] = field(default_factory=list)
    chain: dict[str, Any] = field(default_factory=dict)
    memory: dict[str, Any] = field(default_factory=dict)
    plan: dict[str, Any] = field(default_factory=dict)
    sanitizer: list[dict[str, Any]] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu_check", description=__doc__)
    parser.add_argument("--json", type=Path, metavar="FILE", help="write all figures to FILE")
    parser.add_argument("--largest", type=int, metavar="N", help="largest size of the comparison")
    parser.add_argument("--memcheck", action="store_true", help="run compute-sanitizer too (slow)")
    parser.add_argument("--parity-only", action="store_true", help="only compare, at small sizes")
    options = parser.parse_args()
    try:
        where = _backend.select()
    except Km3GpuError as error:
        print(f"gpu_check: error: {error}", file=sys.stderr)
        return error.exit_code
    if where.name == "cpu":
        print(
            f"gpu_check: error: no GPU can be used: {_backend.why_no_gpu()}; to try the script itself:\n"
            "  NUMBA_ENABLE_CUDASIM=1 KM3GPU_BACKEND=cudasim python -m benchmarks.gpu_check",
            file=sys.stderr,
        )
        return 1
    report = check(where, options.largest, options.parity_only, options.memcheck)
    print(markdown(report, where))
    if options.json:
        options.json.write_text(json.dumps(asdict(report), indent=1) + "\n")
    return 1 if report.failures else 0


def check(
    where: Backend, largest: int | None = None, parity_only: bool = False, memcheck: bool = False
) -> Report:
    """Do all checks, one after another."""
    toy = where.name != "cuda"
    report = Report(machine=describe(where))
    sizes = tuple(n for n in (TOY_SIZES if toy else SIZES) if largest is None or n <= largest)
    if parity_only:
        sizes = tuple(n for n in sizes if n <= 257)
    for name in EXAMPLES:
        for n in sizes:
            report.parity.append(compare(where, name, n))
    report.failures += [f"{p['module']} at {p['n']}: {p['differs']}" for p in report.parity if p["differs"]]
    if not parity_only:
        n = 60 if toy else 10_000_000 if largest is None else largest
        report.kernels = kernel_times(where, n)
        report.transfers = transfer_times(where, [1000] if toy else [10**6, 10**8, 10**9])
        report.chain = chain_times(where, n, 3 if toy else 12)
        report.memory = pool_growth(where, n if toy else 10**6, 4 if toy else 1000)
        if report.memory["grows"]:
            report.failures.append(f"the pool grows: {report.memory}")
        report.plan = plan_run(where, toy)
        if report.plan.get("parts as on the CPU") is False:
            report.failures.append(f"a run of a plan differs from the CPU's: {report.plan}")
    if memcheck:
        report.sanitizer = [sanitize(tool) for tool in SANITIZERS]
        report.failures += [
            f"compute-sanitizer {s['tool']}: {s['said']}" for s in report.sanitizer if s["code"]
        ]
    return report


def describe(where: Backend) -> dict[str, Any]:
    """Say what it ran on."""
    import numba
    from numba import cuda

    gpu = _backend.cuda_device()
    return {
        "backend": where.name,
        "gpu": asdict(gpu) if gpu else "none: numba's CUDA simulator",
        "code": code_version(),
        "numba": numba.__version__,
        "numba-cuda": cuda.implementation,
        "cupy": where.xp.__version__ if where.name == "cuda" else "none",
        "numpy": np.__version__,
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


# -- the same as the CPU ---------------------------------------------------------
def mover(where: Backend) -> Callable[[Any], Any]:
    """Give what moves arrays and tables to a backend."""
    return lambda a: a.to(where) if isinstance(a, PmtLookup) else where.to_device(a)


def compare(where: Backend, name: str, n: int) -> dict[str, Any]:
    """Run the kernels of a module on both and compare all that they give, bit for bit where they must."""
    with on_cpu():
        expected = EXAMPLES[name](np.random.default_rng(n), n, lambda a: a)
    got = EXAMPLES[name](np.random.default_rng(n), n, mover(where))
    tolerance, worst, differs = TOLERANCE.get(name, 0.0), 0.0, ""
    for key, want in expected.items():
        have = Backend.to_host(got[key])
        if have.dtype != want.dtype or have.shape != want.shape:
            differs = differs or f"{key} is {have.dtype}{have.shape}, not {want.dtype}{want.shape}"
        elif want.dtype.kind == "f":
            off = np.abs(have - want)
            off = off[~(np.isnan(have) & np.isnan(want))]
            far = float(off.max()) if len(off) else 0.0
            worst = max(worst, far)
            if not far <= tolerance:
                differs = differs or f"{key} differs by up to {far:g}"
        elif not np.array_equal(have, want):
            at = int(np.flatnonzero(have != want)[0])
            differs = differs or f"{key} is {have[at]}, not {want[at]}, at row {at}"
    return {"module": name, "n": n, "outputs": len(expected), "largest_difference": worst, "differs": differs}


class on_cpu:  # noqa: N801
    """Let kernels take the CPU's serial drivers, in the simulator's process too."""

    def __enter__(self) -> None:
        self._before, launch._simulated = launch._simulated, False
        self._threads = launch.threads(1)
        self._threads.__enter__()

    def __exit__(self, *_: object) -> None:
        self._threads.__exit__(None, None, None)
        launch._simulated = self._before


# -- how fast ---------------------------------------------------------------------
def timed(where: Backend, work: Callable[[], object], repeats: int = REPEATS) -> list[float]:
    """Time `work` in seconds with the GPU's own events, or by the wall where there is none."""
    took = []
    for turn in range(repeats + 2):  # two to warm up
        if where.name == "cuda":
            cuda = where.xp.cuda
            start, stop = cuda.Event(), cuda.Event()
            start.record(cuda.get_current_stream())
            work()
            stop.record(cuda.get_current_stream())
            stop.synchronize()
            seconds = cuda.get_elapsed_time(start, stop) / 1e3
        else:
            begin = time.perf_counter()
            work()
            seconds = time.perf_counter() - begin
        if turn >= 2:
            took.append(seconds)
    return took


def kernel_times(where: Backend, n: int) -> list[dict[str, Any]]:
    """Time each kernel alone, on arrays that are on the GPU already."""
    repeats = REPEATS if where.name == "cuda" else 1
    rows: dict[str, dict[str, Any]] = {}
    for example in EXAMPLES.values():
        with launch.recording() as launches:
            example(np.random.default_rng(1), n, mover(where))
        for one in launches:
            if one.kernel.name in rows:
                continue
            took = timed(where, one.again, repeats)
            seconds = statistics.median(took)
            rows[one.kernel.name] = {
                "kernel": one.kernel.name,
                "item": one.kernel.item,
                "n": one.n,
                "ms": 1e3 * seconds,
                "spread": (max(took) - min(took)) / seconds,
                "mitems_per_s": one.n / 1e6 / seconds,
                "gigabytes_per_s": one.n * one.kernel.bytes_per_item / 1e9 / seconds,
            }
    return list(rows.values())


def transfer_times(where: Backend, sizes: list[int]) -> list[dict[str, Any]]:
    """Time copies to the GPU from plain and page-locked memory, and back."""
    rows = []
    for size in sizes:
        plain, locked = np.ones(size, np.uint8), where.pinned(size)
        locked[:] = 1
        there = where.upload(plain)
        for name, work in (
            ("to the GPU, plain memory", lambda: where.upload(plain)),  # noqa: B023
            ("to the GPU, page-locked memory", lambda: where.upload(locked)),  # noqa: B023
            ("from the GPU", lambda: where.to_host(there)),  # noqa: B023
        ):
            seconds = statistics.median(timed(where, work, 5))
            rows.append({"what": name, "bytes": size, "gigabytes_per_s": size / 1e9 / max(seconds, 1e-9)})
    return rows


def chain_times(where: Backend, n: int, n_chunks: int) -> dict[str, Any]:
    """Time the whole chain, chunks one after another and overlapping."""
    rng = np.random.default_rng(2)
    chunk, table = baskets(rng, n, 10), table_of(rng)
    found: dict[str, Any] = {"hits": n * n_chunks, "bytes": len(chunk[0]) * n_chunks}
    results = []
    for slots in (1, 2, 3):
        begin = time.perf_counter()
        results.append(
            [f.cluster_offsets[-1] for f in chain.run([chunk] * n_chunks, table, where, slots=slots)]
        )
        found[f"seconds with {slots} slot{'s' * (slots > 1)}"] = time.perf_counter() - begin
    found["same results"] = results[0] == results[1] == results[2]
    found["planned bytes per hit"] = {s.name: s.highest for s in chain.memory_plan()}
    found["hits that fit"] = chain.hits_that_fit(where.free_memory())
    return found


def pool_growth(where: Backend, n: int, rounds: int) -> dict[str, Any]:
    """Put many chunks through the chain and see whether memory keeps growing."""
    rng = np.random.default_rng(3)
    table = table_of(rng).to(where)

    def chunks() -> Iterator[tuple[np.ndarray, np.ndarray]]:
        sizes = np.random.default_rng(4).integers(n // 2, n + 1, rounds)
        kept = {int(m): baskets(rng, int(m), 10) for m in set(sizes[:5].tolist())}
        for k in range(rounds):
            yield kept[list(kept)[k % len(kept)]]

    where.trim()
    held = []
    for k, _ in enumerate(chain.run(chunks(), table, where)):
        if k in (rounds // 4, rounds // 2, rounds - 1):
            held.append(where.memory().held)
    peak = max(s.highest for s in chain.memory_plan())
    return {
        "rounds": rounds,
        "held_bytes": held,
        "planned_bytes": int(3 * n * peak),
        "grows": held[-1] > 1.1 * held[1] if len(held) == 3 else False,
    }


def sanitize(tool: str) -> dict[str, Any]:
    """Run the comparison at small sizes under one of compute-sanitizer's tools."""
    program = shutil.which("compute-sanitizer")
    if program is None:
        return {
            "tool": tool,
            "code": 1,
            "said": "compute-sanitizer is not in PATH (it comes with the CUDA toolkit)",
        }
    command = [program, "--tool", tool, "--error-exitcode", "9", sys.executable, "-m", "benchmarks.gpu_check"]
    done = subprocess.run([*command, "--parity-only"], capture_output=True, text=True)
    last = [x for x in done.stdout.splitlines() if "ERROR SUMMARY" in x or "RACECHECK SUMMARY" in x]
    return {
        "tool": tool,
        "code": done.returncode,
        "said": last[-1].strip("= ") if last else done.stderr[-300:],
    }


# -- a run of a plan ---------------------------------------------------------------
PLAN = """
[source]
files = ["testdata:online/{file}"]
tree = "KM3NET_EVENT"
chunk = {chunk}
[[stage]]
use = "calibrate"
detector = "testdata:datx/KM3NeT_00000133_20221025.datx"
unknown = "mark"
[[stage]]
use = "coincidences"
[[stage]]
use = "triggers"
parameters = "{parameters}"
[[sink]]
format = "parquet"
"""


def plan_run(where: Backend, toy: bool) -> dict[str, Any]:
    """Run a plan on this backend, with one and with three workers, and on the CPU; compare all parts."""
    import km3gpu
    from km3gpu.errors import MissingExtraError
    from km3gpu.trigger import sets

    file, chunk = ("km3net_online.root", 1) if toy else ("muon_cc_daqevents.root", 25)
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        plan = Path(folder, "plan.toml")
        plan.write_text(PLAN.format(file=file, chunk=chunk, parameters=sets.for_detector(133)))

        def parts(name: str, **options: Any) -> list[str]:
            begin = time.perf_counter()
            result = km3gpu.run(plan, out=Path(folder, name), show=False, catalogue="none", **options)
            found[f"seconds {name}"] = round(time.perf_counter() - begin, 3)
            return [r.outputs[0].digest for r in result.receipts]

        try:
            with on_cpu():
                expected = parts("on the CPU", backend="cpu")
        except MissingExtraError as error:
            return {"not run": str(error)}
        parts("to compile", backend=where.name)
        same = [parts("here", backend=where.name) == expected]
        if where.name == "cuda":
            same.append(parts("here, three workers", backend=where.name, workers=3) == expected)
    return {"file": file, "parts": len(expected), "parts as on the CPU": all(same), **found}


# -- the report ---------------------------------------------------------------------
def known_card(name: str) -> Card | None:
    """Find the maker's figures for a GPU by its name."""
    words = name.replace("-", " ").split()
    return next(
        (c for c in CARDS if all(w in words for w in c.name.split()[: 3 if "RTX" in c.name else 1])), None
    )


def markdown(report: Report, where: Backend) -> str:
    """Write the report as Markdown."""
    gpu = report.machine["gpu"]
    name = gpu["name"] if isinstance(gpu, dict) else gpu
    out = [f"### GPU check: {name}", ""]
    if where.name == "cudasim":
        out += ["**Simulator run: it shows that the script works. No time in it means anything.**", ""]
    out += [f"- {key}: {value}" for key, value in report.machine.items() if key != "gpu"]
    if isinstance(gpu, dict):
        out.append(f"- compute capability {gpu['compute_capability']}, driver {gpu['driver']}")
    sizes = sorted({p["n"] for p in report.parity})
    bad = sum(bool(p["differs"]) for p in report.parity)
    out += ["", f"Parity with the CPU at {', '.join(map(str, sizes))} rows: {len(report.parity) - bad} of "]
    out[-1] += f"{len(report.parity)} comparisons hold."
    worst = max(report.parity, key=lambda p: p["largest_difference"], default=None)
    if worst and worst["largest_difference"] > 0:
        out.append(f"Largest difference of a float: {worst['largest_difference']:.2g} ({worst['module']}).")
    if report.kernels:
        card = known_card(name)
        of = f"% of {card.gigabytes_per_s:g} GB/s" if card else "% of the card's"
        out += ["", f"| kernel | item | n | ms | spread | M items/s | GB/s | {of} |", "|---" * 8 + "|"]
        out += [
            f"| {k['kernel']} | {k['item']} | {k['n']} | {k['ms']:.3f} | {100 * k['spread']:.0f} % "
            f"| {k['mitems_per_s']:.4g} | {k['gigabytes_per_s']:.4g} "
            f"| {100 * k['gigabytes_per_s'] / card.gigabytes_per_s if card else float('nan'):.2g} |"
            for k in report.kernels
        ]
    if report.transfers:
        out += ["", "| transfer | bytes | GB/s |", "|---|---|---|"]
        out += [f"| {t['what']} | {t['bytes']} | {t['gigabytes_per_s']:.3g} |" for t in report.transfers]
    for title, found in (("Chain", report.chain), ("Memory", report.memory), ("Plan", report.plan)):
        if found:
            out += ["", f"{title}:", *(f"- {key}: {value}" for key, value in found.items())]
    out += [f"- compute-sanitizer {s['tool']}: {s['said']}" for s in report.sanitizer]
    out += ["", "All is well." if not report.failures else "FAILED:", *(f"- {f}" for f in report.failures)]
    return "\n".join(out)


if __name__ == "__main__":
    sys.exit(main())

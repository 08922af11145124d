"""Run the benchmarks, print a table, write JSON."""

from __future__ import annotations

import argparse
import importlib
import json
import os
import platform
import sys
import time
from pathlib import Path

from benchmarks.harness import Row
from km3gpu.chunk import code_version
from km3gpu.errors import Km3GpuError, UnknownNameError

HERE = Path(__file__).parent


def names() -> list[str]:
    """List the benchmarks: the files ``bench_*.py`` beside this one."""
    return sorted(path.stem.removeprefix("bench_") for path in HERE.glob("bench_*.py"))


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Each figure beside its peer's, measured in turn in the same run (medians, CPU time).",
    )
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help="which; all by default: " + ", ".join(names())
    )
    parser.add_argument("--quick", action="store_true", help="smaller inputs, fewer repeats")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures to FILE")
    parser.add_argument("--plots", type=Path, metavar="FOLDER", help="draw what can be drawn")
    options = parser.parse_args()
    try:
        rows = measure(options.names or names(), options.quick, options.plots)
    except Km3GpuError as error:
        print(f"benchmarks: error: {error}", file=sys.stderr)
        return error.exit_code
    if options.json:
        options.json.write_text(json.dumps({"machine": machine(), "figures": rows}, indent=1) + "\n")
    broken = [row["name"] for row in rows if row["kept"] is False]
    print(f"\n{len(rows)} figures, {len(broken)} short of their limit" + "".join(f"\n  {n}" for n in broken))
    return 0


def measure(wanted: list[str], quick: bool, plots: Path | None = None) -> list[dict[str, object]]:
    for name in wanted:
        if name not in names():
            raise UnknownNameError.of("benchmark", name, names())
    print(f"{machine()['cpu']}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, {code_version()}")
    print("medians of CPU time; times: how much better than the peer\n")
    print(f"{'':46}{'ours':>12}{'peer':>12} {'unit':<9}{'times':>8}  {'limit':<17}")
    rows = []
    for name in wanted:
        start = time.perf_counter()
        module = importlib.import_module(f"benchmarks.bench_{name}")
        found: list[Row] = module.run(quick)
        print(f"{name} ({time.perf_counter() - start:.0f} s)")
        if plots is not None and hasattr(module, "plot"):
            plots.mkdir(parents=True, exist_ok=True)
            print("".join(f"  {path}\n" for path in module.plot(found, plots)), end="")
        for row in found:
            print(line(row))
            rows.append({"benchmark": name, **row.as_dict()})
    return rows


def line(row: Row) -> str:
    peer = "" if row.peer is None else f"{row.peer:.4g}"
    ratio = "" if row.ratio is None else f"{row.ratio:.2f}"
    limit = "" if row.limit is None else f"{row.sense} {row.limit:.3g}" + ("" if row.kept else " !")
    text = f"  {row.name:<44}{row.ours:>12.4g}{peer:>12} {row.unit:<9}{ratio:>8}  {limit:<17} {row.note}"
    return text.rstrip()


def machine() -> dict[str, object]:
    cpu = platform.processor() or platform.machine()
    info = Path("/proc/cpuinfo")
    if info.exists():
        cpu = next(
            (x.split(":", 1)[1].strip() for x in info.read_text().splitlines() if "model name" in x), cpu
        )
    return {
        "cpu": cpu,
        "cpus": os.cpu_count(),
        "load": os.getloadavg(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "code": code_version(),
        "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
    }


if __name__ == "__main__":
    sys.exit(main())

"""Coincidences and triggers: per step and end to end, on one core and on all; what a GPU could do."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from benchmarks import cluster_gpu, cluster_stream, cluster_triggers
from benchmarks.harness import Row
from km3gpu.kernels import threads

GROWTH = "growth with the rate, exponent"


def run(quick: bool) -> list[Row]:
    """Measure the triggers on real events, the stream of a file, and a made-up stream of L0."""
    repeats = 3 if quick else 7
    with threads(1):
        return [
            *cluster_triggers.rows(repeats),
            *cluster_stream.stream(repeats),
            *cluster_stream.level0(20 if quick else 100, repeats),
            cluster_stream.growth(repeats),
            *cluster_gpu.rows(),
        ]


def plot(rows: Sequence[Row], folder: Path) -> list[Path]:
    """Draw how the cost grows with the rate."""
    import matplotlib as mpl
    import numpy as np
    from matplotlib.figure import Figure

    from km3gpu.plot.style import COLOURS, RC

    found = next(r for r in rows if r.name == GROWTH).details
    rates, ms = np.array(found["rates_hz"]) / 1e3, np.array(found["ms"])
    with mpl.rc_context(dict(RC)):
        figure = Figure(figsize=(6.4, 4.4), layout="constrained")
        axes = figure.add_subplot()
        exponent = found["exponent"]
        fitted = np.exp(np.polyval(np.polyfit(np.log(rates), np.log(ms), 1), np.log(rates)))
        label = f"fit: rate to the power {exponent:.2f}"
        axes.plot(rates, fitted, color=COLOURS["expected"], lw=1.4, ls=(0, (5, 2)), label=label)
        axes.plot(rates, ms, "o", color=COLOURS["track"], ms=6, label="measured, one core")
        for x, y, n in zip(rates, ms, found["hits"], strict=True):
            axes.annotate(
                f"{n / 1e3 / y:.0f} Mhit/s", (x, y), textcoords="offset points", xytext=(8, -13), fontsize=8,
                color=COLOURS["quiet"],
            )  # fmt: skip
        axes.set_xscale("log")
        axes.set_yscale("log")
        axes.set_xticks(rates, [f"{r:g}" for r in rates])
        axes.yaxis.set_major_formatter(lambda value, _: f"{value:g}")
        axes.minorticks_off()
        axes.set_xlim(rates[0] / 1.5, rates[-1] * 2.2)
        axes.set_xlabel("rate of single hits per PMT [kHz]")
        axes.set_ylabel("CPU time for 20 modules and 0.1 s [ms]")
        axes.set_title("bytes of L0 frames to coincidences", loc="left")
        axes.legend(loc="upper left")
        path = folder / "cluster-rate.png"
        figure.savefig(path)
    return [path]

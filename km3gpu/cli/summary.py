"""What a run made, in plain values and as a table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from km3gpu.cli.printing import bytes_text

if TYPE_CHECKING:
    from rich.table import Table

    from km3gpu.pipeline import RunResult

__all__ = ["checked", "summarised", "table"]

_CHECKED = {"t": "max_hits_t_ns", "pos": "max_hits_pos_m", "dir": "max_hits_dir"}
_UNITS = {"t": " ns", "pos": " m", "dir": ""}


def summarised(result: RunResult, compiled: float = 0.0) -> dict[str, Any]:
    """Put the figures of a run together, as plain values.

    Parameters
    ----------
    result : RunResult
        What `km3gpu.run` gave.
    compiled : float
        Seconds that this process spent compiling kernels meanwhile.

    Returns
    -------
    dict
        Sums over all chunks that are done; ``seconds`` is the wall time of
        this session, ``stages`` the wall time of each step summed over workers,
        compilation included.
    """
    from km3gpu.pipeline.livetimes import livetimes

    total = result.total
    return {
        "out": str(result.out),
        "plan": result.plan.id,
        "inputs": [i.path for i in result.plan.inputs if i.role == "data"],
        "chunks": {
            "planned": len(result.plan.chunks),
            "done": len(result.receipts),
            "resumed": result.resumed,
            "failed": len(result.failures),
        },
        "events": {"read": total.n_in, "written": total.n_out},
        "rows": dict(total.rows),
        "bytes_in": total.bytes_in,
        "seconds": result.seconds,
        "cpu_seconds": total.cpu,
        "stages": dict(total.seconds),
        "compiled": compiled,
        "peak_memory": total.peak_memory,
        "devices": sorted({r.device for r in result.receipts if r.device}),
        "counters": dict(total.counters),
        "check": checked(total.counters),
        "runs": livetimes(result.plan, total.counters),
        "outputs": {str(p): p.stat().st_size for p in result.outputs},
        "provenance": str(result.provenance),
    }


def checked(counters: Mapping[str, float]) -> dict[str, float] | None:
    """Give what the comparison with the file's own calibration found.

    Parameters
    ----------
    counters : mapping of str to float
        Of a run.

    Returns
    -------
    dict or None
        ``hits`` compared, and the largest differences of ``t`` [ns], ``pos`` [m]
        and ``dir``; None where nothing was compared.
    """
    hits = counters.get("calibrate/hits_compared")
    if hits is None:
        return None
    return {"hits": hits, **{name: counters[f"calibrate/{key}"] for name, key in _CHECKED.items()}}


def table(summaries: Mapping[str, Mapping[str, Any]]) -> Table:
    """Make a table of runs, one column each.

    Parameters
    ----------
    summaries : mapping of str to dict
        By title of the column; from `summarised`.
    """
    from km3gpu.cli.printing import grid

    runs = list(summaries.values())
    stages = list(dict.fromkeys(name for s in runs for name in s["stages"]))
    rows: list[Sequence[str]] = [
        ["chunks", *map(_chunks, runs)],
        ["events", *(f"{s['events']['written']:,}" for s in runs)],
    ]
    names = dict.fromkeys(name for s in runs for name in s["rows"] if name != "events")
    rows += [[name.replace("_", " "), *(_count(s["rows"].get(name)) for s in runs)] for name in names]
    rows.append(["rate", *(f"{_rate(s, 'events'):,.0f} events/s" for s in runs)])
    rows.append(["", *(f"{_rate(s, 'hits') / 1e6:.2f} Mhits/s" for s in runs)])
    rows += [[f"{name} time", *(_seconds(s["stages"].get(name)) for s in runs)] for name in stages]
    if any(s["compiled"] for s in runs):
        rows.append(["of it compiling", *(_seconds(s["compiled"]) for s in runs)])
    rows.append(["wall time", *(_seconds(s["seconds"]) for s in runs)])
    rows.append(["peak memory", *(bytes_text(s["peak_memory"]) for s in runs)])
    rows.append(["ran on", *(", ".join(s["devices"]) or "-" for s in runs)])
    return grid("", ["", *(f">{title}" for title in summaries)], rows)


def lines(summary: Mapping[str, Any]) -> list[str]:
    """Say in words what the table does not: the runs, the check, the paths, and what failed."""
    from km3gpu.pipeline.livetimes import told

    said = [] if summary["runs"] is None else told(summary["runs"])
    check = summary["check"]
    if check is not None:
        found = ", ".join(f"{name} {check[name]:.2g}{_UNITS[name]}" for name in _CHECKED)
        said.append(
            f"check: largest difference to the file's own calibration of {check['hits']:,.0f} hits: {found}"
        )
    said += [f"wrote {path} ({bytes_text(size)})" for path, size in summary["outputs"].items()]
    said.append(f"record {summary['provenance']}")
    return said


def _chunks(s: Mapping[str, Any]) -> str:
    c = s["chunks"]
    words = f"{c['done']} of {c['planned']}"
    words += f", {c['resumed']} done before" if c["resumed"] else ""
    return words + (f", {c['failed']} failed" if c["failed"] else "")


def _count(n: int | None) -> str:
    return "" if n is None else f"{n:,}"


def _seconds(s: float | None) -> str:
    return "" if s is None else f"{s:.3f} s"


def _rate(s: Mapping[str, Any], what: str) -> float:
    """Give rows per second spent in the steps; kernels are compiled once, whatever the number of rows."""
    return float(s["rows"].get(what, 0) / max(sum(s["stages"].values()) - s["compiled"], 1e-9))

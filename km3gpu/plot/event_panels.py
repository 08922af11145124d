"""The parts of an event display: each draws one kind of thing into one panel.

A panel is named by the two of t, x, y, z that it shows; `_place` picks them out
of times and positions, so the same lines draw hits, coincidences and tracks
everywhere.
"""

from __future__ import annotations

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import Normalize

from km3gpu.plot.event_hits import View
from km3gpu.plot.style import COLOURS, TIME_MAP

__all__ = [
    "draw_coincidences",
    "draw_expected",
    "draw_hits",
    "draw_scale",
    "draw_strings",
    "draw_times",
    "draw_track",
    "frame",
    "time_colours",
]

_LABELS = {
    "t": "time since the first triggered hit shown [ns]",
    "x": "x (Easting) [m]",
    "y": "y (Northing) [m]",
    "z": "z [m]",
}


def draw_strings(axes: Axes, panel: str, view: View) -> None:
    """Draw the strings of the detector behind everything else."""
    if view.strings is None or "t" in panel:
        return
    x, y = view.strings.xy.T
    if panel == "xz":
        axes.vlines(x, view.strings.bottom, view.strings.top, color=COLOURS["string"], lw=0.8, zorder=0)
    else:
        axes.scatter(x, y, s=9, color=COLOURS["string"], linewidths=0, zorder=0)


def time_colours(view: View) -> Normalize:
    """Give the colours of times: the whole scale for the middle 90 % of triggered hits."""
    if not len(view.triggered):
        return Normalize(0.0, 1.0)
    low, high = np.quantile(view.triggered.t, (0.05, 0.95)) - view.start
    return Normalize(float(low), float(max(high, low + 1.0)), clip=True)


def draw_scale(axes: Axes, view: View, colour: Normalize) -> None:
    """Lay the colours of times along the time axis of a panel."""
    strip = axes.inset_axes((0, 1.012, 1, 0.022))
    edges = np.linspace(view.window[0], view.window[1], 400) - view.start
    strip.pcolormesh(edges, [0.0, 1.0], [edges[:-1]], cmap=TIME_MAP, norm=colour)
    strip.set_xlim(edges[0], edges[-1])
    strip.set_axis_off()


def draw_hits(axes: Axes, panel: str, view: View, colour: Normalize) -> None:
    """Draw snapshot hits in grey, and triggered hits coloured by time."""
    snapshot, triggered = view.shown, view.triggered
    axes.scatter(
        *_place(view, panel, snapshot.t, snapshot.pos),
        s=4,
        color=COLOURS["snapshot"],
        alpha=0.7,
        linewidths=0,
        zorder=1,
        label="snapshot hit",
    )
    axes.scatter(
        *_place(view, panel, triggered.t, triggered.pos),
        s=6 + 0.2 * triggered.tot.clip(0, 255),
        c=triggered.t - view.start,
        cmap=TIME_MAP,
        norm=colour,
        edgecolors="white",
        linewidths=0.25,
        zorder=3,
        label="triggered hit, size by time over threshold",
    )


def draw_coincidences(axes: Axes, panel: str, view: View) -> None:
    """Ring the same-module coincidences."""
    c = view.clusters
    if not len(c.get("t_first", ())):
        return
    rows = np.flatnonzero((c["t_first"] >= view.window[0]) & (c["t_first"] <= view.window[1]))
    if "t" not in panel:  # a module with many coincidences gets one ring
        rows = rows[np.unique(c["dom_id"][rows], return_index=True)[1]]
    pos = np.column_stack((c["pos_x"], c["pos_y"], c["pos_z"]))[rows]
    axes.scatter(
        *_place(view, panel, c["t_first"][rows], pos),
        s=46,
        facecolors="none",
        edgecolors=COLOURS["ink"],
        alpha=float(np.clip(200 / max(len(rows), 1), 0.2, 0.6)),  # many rings, faint rings
        linewidths=0.55,
        zorder=2,
        label="coincidence on one module",
    )


def draw_track(axes: Axes, panel: str, view: View) -> None:
    """Draw the best track through the window, with an arrow the way it goes."""
    if view.track is None:
        return
    t = np.array(view.window)
    h, v = _place(view, panel, t, view.track.at(t))
    axes.plot(h, v, color=COLOURS["track"], lw=1.6, zorder=5, scalex=False, scaley=False, label="best track")
    if "t" not in panel:
        # the head sits in the middle of what can be seen, not at a far end
        (left, right), (low, high) = axes.get_xlim(), axes.get_ylim()
        steps = np.linspace(0, 1, 400)
        hs, vs = h[0] + steps * (h[1] - h[0]), v[0] + steps * (v[1] - v[0])
        seen = np.flatnonzero((hs > left) & (hs < right) & (vs > low) & (vs < high))
        if len(seen) > 10:
            a = seen[int(0.8 * len(seen))]
            axes.annotate(
                "",
                xy=(hs[a], vs[a]),
                xytext=(hs[a - 3], vs[a - 3]),
                arrowprops={"arrowstyle": "-|>", "color": COLOURS["track"], "lw": 1.6, "mutation_scale": 16},
                zorder=5,
            )


def draw_expected(axes: Axes, view: View) -> None:
    """Draw height against the arrival of direct Cherenkov light, on the three busiest strings."""
    if view.track is None or view.strings is None:
        return
    label: str | None = "expected Cherenkov light, busiest strings"
    for i in view.strings.busiest(view.triggered.dom_id, 3):
        z = np.linspace(view.strings.bottom[i], view.strings.top[i], 200)
        points = np.column_stack((np.broadcast_to(view.strings.xy[i], (200, 2)), z))
        axes.plot(
            view.track.cherenkov_time(points) - view.start,
            z,
            color=COLOURS["expected"],
            lw=1.0,
            ls=(0, (5, 2)),
            zorder=4.5,
            scalex=False,
            scaley=False,
            label=label,
        )
        label = None


def draw_times(axes: Axes, view: View) -> None:
    """Draw how many hits there are in time."""
    edges = np.linspace(view.window[0] - view.start, view.window[1] - view.start, 81)
    for hits, name, colour in (
        (view.shown, "all hits", "snapshot"),
        (view.triggered, "triggered hits", "bars"),
    ):
        axes.hist(hits.t - view.start, bins=list(edges), color=COLOURS[colour], label=name)
    axes.set_ylabel(f"hits per {edges[1] - edges[0]:.3g} ns")
    axes.set_xlabel(_LABELS["t"])
    axes.legend(loc="upper right")


def frame(axes: Axes, panel: str, view: View) -> None:
    """Set range and labels of a panel: what was triggered, and the detector around it."""
    axes.set_xlabel(_LABELS[panel[0]])
    axes.set_ylabel(_LABELS[panel[1]])
    h, v = _range(view, panel[0]), _range(view, panel[1])
    if panel == "xy":
        # one metre is as long in x as in y; matplotlib widens the range that is too narrow
        axes.set_aspect("equal", adjustable="datalim")
        axes.update_datalim(np.column_stack((h, v)))
        axes.autoscale_view()
    else:
        axes.set_xlim(*h)
        axes.set_ylim(*v)


def _range(view: View, name: str) -> tuple[float, float]:
    """Give the range of t, x, y or z that takes in the window, or the hits and the detector."""
    if name == "t":
        return view.window[0] - view.start, view.window[1] - view.start
    k = "xyz".index(name)
    hits = view.triggered if len(view.triggered) else view.shown
    values = [hits.pos[:, k]]
    if view.strings is not None:
        values += [view.strings.bottom, view.strings.top] if name == "z" else [view.strings.xy[:, k]]
    seen = np.concatenate(values)
    low, high = (float(seen.min()), float(seen.max())) if len(seen) else (0.0, 0.0)
    pad = max(5.0, 0.05 * (high - low))
    return low - pad, high + pad


def _place(view: View, panel: str, t: np.ndarray, pos: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    columns = {"t": t - view.start, "x": pos[:, 0], "y": pos[:, 1], "z": pos[:, 2]}
    return columns[panel[0]], columns[panel[1]]

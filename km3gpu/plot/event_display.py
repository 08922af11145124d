"""The event display: one event, seen in time and in space."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from km3gpu._version import __version__
from km3gpu.backend import Backend
from km3gpu.chunk import Chunk
from km3gpu.detector import Detector
from km3gpu.plot.event_hits import View, columns_of, view_of
from km3gpu.plot.event_panels import (
    draw_coincidences,
    draw_expected,
    draw_hits,
    draw_scale,
    draw_strings,
    draw_times,
    draw_track,
    frame,
    time_colours,
)
from km3gpu.plot.style import COLOURS, RC

__all__ = ["brightest", "event_display"]

_FIRST_LIGHT = 946_684_800 * 10**9  # 2000-01-01 in ns since 1970


def brightest(chunk: Chunk) -> int:
    """Find the event with the most triggered hits, the first of equals.

    Parameters
    ----------
    chunk : Chunk
        With a table ``hits``.  Triggered hits are the table ``triggered_hits``
        where there is one, else the hits with trigger bits.

    Returns
    -------
    int
        Row of the event in the chunk; 0 where there is no event.
    """
    table = chunk.triggered_hits if "triggered_hits" in chunk else chunk.hits
    if table.name == "hits" and "trig" in table:
        table = table.keep("trig").filter(table.flat("trig") != 0)
    counts = Backend.to_host(table.counts)
    return int(np.argmax(counts)) if len(counts) else 0


def event_display(chunk: Chunk, event: int = 0, detector: Detector | None = None) -> Figure:
    """Draw one event: hits by height and time, from the side, from above, and how many when.

    Triggered hits are coloured by time and grow with their time over
    threshold; snapshot hits are grey; rings are same-module coincidences.
    Where the chunk has a best track it is a line, and dashed curves show when
    its direct Cherenkov light would reach the strings with most triggered hits.

    Parameters
    ----------
    chunk : Chunk
        With calibrated hits.  Coincidences, best track and sky coordinates are
        shown where it has them.
    event : int
        Row of the event in the chunk; negative ones count from the end.
    detector : Detector, optional
        Adds the strings, and the expected Cherenkov light.

    Returns
    -------
    matplotlib.figure.Figure
        Save it with its ``savefig``.

    Raises
    ------
    UnknownNameError
        The chunk has no such event, or no hits.
    CalibrationError
        Its hits are not calibrated.
    """
    view = view_of(chunk, event, detector)
    colour = time_colours(view)
    with mpl.rc_context(dict(RC)):
        figure = Figure(figsize=(11.6, 7.8))
        grid = figure.add_gridspec(
            2, 2, width_ratios=(1.5, 1), height_ratios=(1.45, 1), wspace=0.17, hspace=0.28
        )
        grid.update(left=0.065, right=0.98, top=0.835, bottom=0.115)
        panels = {
            "tz": figure.add_subplot(grid[0, 0]),
            "xz": figure.add_subplot(grid[0, 1]),
            "xy": figure.add_subplot(grid[1, 1]),
        }
        for name, axes in panels.items():
            frame(axes, name, view)
            draw_strings(axes, name, view)
            draw_hits(axes, name, view, colour)
            draw_coincidences(axes, name, view)
            draw_track(axes, name, view)
        draw_expected(panels["tz"], view)
        times = figure.add_subplot(grid[1, 0], sharex=panels["tz"])
        draw_times(times, view)
        draw_scale(panels["tz"], view, colour)
        _legend(figure, panels["tz"])
        _words(figure, view)
    return figure


def _legend(figure: Figure, axes: Axes) -> None:
    handles, labels = axes.get_legend_handles_labels()
    figure.legend(
        handles, labels, loc="upper left", bbox_to_anchor=(0.055, 0.9), ncols=len(labels), columnspacing=1.4
    )


def _words(figure: Figure, view: View) -> None:
    source, row = view.chunk.source, columns_of(view.chunk, "events", view.row)
    names = (
        ("detector", "det_id"),
        ("run", "run_id"),
        ("frame", "frame_index"),
        ("trigger", "trigger_counter"),
    )
    title = " · ".join(f"{word} {int(row[key][0])}" for word, key in names if key in row)
    figure.text(0.065, 0.964, title or f"event {view.row}", fontsize=14, weight="bold")
    for y, facts in ((0.937, _hit_facts(view, row)), (0.914, _track_facts(view, row))):
        figure.text(0.065, y, " · ".join(facts), fontsize=9.5, color=COLOURS["quiet"])
    figure.text(
        0.065,
        0.02,
        f"{Path(source.path).name}, {source.tree}, entry {source.start + view.row}"
        f" · chunk {view.chunk.id} · km3gpu {__version__}",
        fontsize=7,
        color=COLOURS["quiet"],
    )


def _hit_facts(view: View, row: Mapping[str, np.ndarray]) -> list[str]:
    facts = []
    if "time_ns" in row and row["time_ns"][0] > _FIRST_LIGHT:  # simulated events may carry no date
        utc = dt.datetime.fromtimestamp(int(row["time_ns"][0]) // 10**9, dt.UTC)
        facts.append(f"{utc:%Y-%m-%d %H:%M:%S} UTC")
    facts.append(f"{len(view.triggered):,} of {len(view.hits):,} hits triggered")
    if view.clusters:
        facts.append(f"{len(view.clusters['t_first']):,} coincidences")
    if (outside := len(view.hits) - len(view.shown)) > 0:
        facts.append(f"{outside:,} hits outside the window")
    return facts


def _track_facts(view: View, row: Mapping[str, np.ndarray]) -> list[str]:
    if view.track is None:
        return []
    facts = [f"best track {_energy(float(row['track_E'][0]))}"] if "track_E" in row else []
    for name, word, digits in (
        ("zenith", "zenith", 1),
        ("azimuth", "azimuth", 1),
        ("ra", "RA", 2),
        ("dec", "Dec", 2),
    ):
        if name in row:
            facts.append(f"{word} {np.degrees(row[name][0]):.{digits}f}°")
    return facts


def _energy(gev: float) -> str:
    for unit, scale in (("PeV", 1e6), ("TeV", 1e3)):
        if gev >= scale:
            return f"{gev / scale:.3g} {unit}"
    return f"{gev:.3g} GeV"

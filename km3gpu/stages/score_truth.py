"""Score selections of hits by simulated truth: how much light they keep, and how pure they are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

from km3gpu import backend
from km3gpu.chunk import Chunk
from km3gpu.errors import FormatError
from km3gpu.kernels import segments
from km3gpu.stages.flag import stored_bits
from km3gpu.stages.score import BITS
from km3gpu.stages.stage import Columns, Result, Stage
from km3gpu.table import Table

__all__ = ["SELECTIONS", "ScoreTruth", "score_truth", "truth_ratios"]

_MARKS = ("clean", "on_light", "causal", "isolated")

SELECTIONS = (
    "all",
    "clusters",
    "stored",
    *(f"stored/{name}" for name in BITS),
    "found",
    *(f"found/{name}" for name in BITS),
    *_MARKS,
)
"""Selections of hits: all of them, those in coincidences, those with any trigger bit (or one of
them) that the file holds, those with a bit that was found, and those that stages marked."""

_MADE = ("selection", "n_signal", "n_selected", "n_both")


@dataclass(frozen=True)
class ScoreTruth(Stage):
    """Count the signal that selections of hits keep, and the noise that they let pass.

    Events without labels (see `Truth`) are left out.
    """

    name: ClassVar[str] = "score_truth"

    def reads(self, kind: str) -> Columns:
        """Give the bits that the file holds."""
        if kind == "daq":
            key = ("dom_id", "channel_id", "tdc", "tot")
            return {"hits": key, "triggered_hits": (*key, "trig")}
        return {"hits": ("trig",)}

    def writes(self, kind: str) -> Columns:
        """Give the columns of the table of scores."""
        return {"truth_scores": _MADE}

    def apply(self, chunk: Chunk) -> Result:
        """Make the table ``truth_scores``, a row for each selection of each event, and add them up."""
        hits = chunk.hits
        if "signal" not in hits or "mc_offset" not in chunk.events:
            raise FormatError(
                "hits are not labelled",
                where=repr(chunk),
                remedy="run the stage 'truth' before 'score_truth'",
            )
        offset = chunk.events.flat("mc_offset")
        xp = backend.namespace(offset)
        of = xp.isfinite(offset)
        signal = hits.flat("signal")
        counters: dict[str, float] = {"events": float(of.sum())}
        columns: dict[str, list[Any]] = {c: [] for c in _MADE}
        for name, selected in _selections(chunk):
            row = {
                "selection": xp.full(len(of), SELECTIONS.index(name), dtype=xp.int32),
                "n_signal": segments.total(hits.offsets, signal).astype(xp.int32),
                "n_selected": segments.total(hits.offsets, selected).astype(xp.int32),
                "n_both": segments.total(hits.offsets, selected & signal).astype(xp.int32),
            }
            for c in _MADE:
                columns[c].append(row[c])
            counters |= {f"{name}/{k}": v for k, v in _add_up(xp, row, of).items()}
        flat = {c: xp.stack(parts, axis=1).reshape(-1) for c, parts in columns.items()}
        offsets = xp.arange(len(of) + 1, dtype=xp.int64) * len(columns["selection"])
        return {"truth_scores": Table("truth_scores", flat, offsets)}, counters


def score_truth(chunk: Chunk) -> Chunk:
    """Count the signal that selections of hits keep, and the noise that they let pass.

    Parameters
    ----------
    chunk : Chunk
        After `truth`; and after `coincidences` or `triggers` for theirs.

    Returns
    -------
    Chunk
        With the table ``truth_scores``, a row for each selection (by its place
        in `SELECTIONS`) of each event: ``selection, n_signal, n_selected,
        n_both``.  The counters ``score_truth/<selection>/...`` add them up over
        the events that are labelled.

    Raises
    ------
    FormatError
        The hits are not labelled.
    """
    return ScoreTruth()(chunk)


def truth_ratios(counters: Mapping[str, float], selection: str) -> dict[str, float]:
    """Turn counts into ratios.

    Parameters
    ----------
    counters : mapping
        Of a chunk, or those of many merged.
    selection : str
        One of `SELECTIONS`.

    Returns
    -------
    dict of str to float
        ``efficiency`` (signal hits that are selected) and ``purity`` (selected
        hits that are signal); ``event_efficiency`` and ``event_purity``, their
        means over events that have signal, or selected hits.  NaN for 0 of 0.
    """
    prefix = f"score_truth/{selection}/"
    c = {k.removeprefix(prefix): v for k, v in counters.items() if k.startswith(prefix)}

    def ratio(a: str, b: str) -> float:
        return c.get(a, 0.0) / c[b] if c.get(b) else float("nan")

    return {
        "efficiency": ratio("both", "signal"),
        "purity": ratio("both", "selected"),
        "event_efficiency": ratio("efficiencies", "events_with_signal"),
        "event_purity": ratio("purities", "events_selected"),
    }


def _selections(chunk: Chunk) -> Iterator[tuple[str, Any]]:
    hits = chunk.hits
    xp = backend.namespace(hits.flat("signal"))
    yield "all", xp.ones(len(hits), bool)
    if "cluster_id" in hits:
        yield "clusters", hits.flat("cluster_id") >= 0
    masks = {}
    if "trig" in hits or "triggered_hits" in chunk:
        masks["stored"] = stored_bits(chunk)[0]
    if "trigger_mask" in hits:
        masks["found"] = hits.flat("trigger_mask")
    for name, mask in masks.items():
        yield name, mask != 0
        for trigger, bit in BITS.items():
            yield f"{name}/{trigger}", (mask >> xp.uint64(bit)) & xp.uint64(1) != 0
    for name in _MARKS:
        if name in hits:
            yield name, hits.flat(name)


def _add_up(xp: Any, row: dict[str, Any], of: Any) -> dict[str, float]:
    signal, selected, both = (row[c][of] for c in ("n_signal", "n_selected", "n_both"))
    return {
        "signal": float(signal.sum()),
        "selected": float(selected.sum()),
        "both": float(both.sum()),
        "events_with_signal": float((signal > 0).sum()),
        "events_selected": float((selected > 0).sum()),
        "efficiencies": float((both / xp.maximum(signal, 1)).sum()),
        "purities": float((both / xp.maximum(selected, 1)).sum()),
    }

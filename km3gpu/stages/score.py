"""Compare the triggers that were found with those that the file holds."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

from km3gpu import backend
from km3gpu.chunk import Chunk
from km3gpu.definitions import Trigger
from km3gpu.errors import FormatError
from km3gpu.kernels import segments
from km3gpu.stages.flag import stored_bits
from km3gpu.stages.stage import Columns, Result, Stage
from km3gpu.table import Table

__all__ = ["BITS", "Score", "ratios", "score"]

BITS = {
    "3DMuon": Trigger.JTRIGGER3DMUON,
    "3DShower": Trigger.JTRIGGER3DSHOWER,
    "MXShower": Trigger.JTRIGGERMXSHOWER,
    "NB": Trigger.JTRIGGERNB,
}
"""Triggers by name, and the number of their bit."""

_KEY = ("dom_id", "channel_id", "tdc", "tot")
_MADE = ("bit", "stored", "found", "n_stored", "n_found", "n_both")


@dataclass(frozen=True)
class Score(Stage):
    """Count, trigger by trigger, the hits and events that Jpp and km3gpu have in common.

    Events with FACTORY_LIMIT in the file are counted apart, since their hits
    are taken as they are.
    """

    name: ClassVar[str] = "score"

    def reads(self, kind: str) -> Columns:
        """Give what tells the stored triggers."""
        if kind == "daq":
            return {"hits": _KEY, "triggered_hits": (*_KEY, "trig"), "events": ("trigger_mask",)}
        return {"hits": ("trig",), "events": ("trigger_mask",)}

    def writes(self, kind: str) -> Columns:
        """Give the columns of the table of scores."""
        return {"scores": _MADE}

    def apply(self, chunk: Chunk) -> Result:
        """Make the table ``scores``, one row for each trigger of each event, and add them up."""
        hits, events = chunk.hits, chunk.events
        if "trigger_mask" not in hits or "stored_trigger_mask" not in events:
            raise FormatError(
                "no triggers were found yet that could be scored",
                where=repr(chunk),
                remedy="run the stage 'triggers' before 'score'",
            )
        xp = backend.namespace(hits.offsets)
        stored, missed = stored_bits(chunk)
        file_mask, own_mask = events.flat("stored_trigger_mask"), events.flat("trigger_mask")
        factory = _has(xp, file_mask, Trigger.FACTORY_LIMIT)
        counters: dict[str, float] = {
            "missed": missed,
            "events": len(events),
            "factory_events": _sum(factory),
        }
        columns: dict[str, list[Any]] = {c: [] for c in _MADE}
        for name, bit in BITS.items():
            theirs, ours = _has(xp, stored, bit), _has(xp, hits.flat("trigger_mask"), bit)
            row = {
                "bit": xp.full(len(events), int(bit), dtype=xp.int32),
                "stored": _has(xp, file_mask, bit),
                "found": _has(xp, own_mask, bit),
                "n_stored": segments.total(hits.offsets, theirs).astype(xp.int32),
                "n_found": segments.total(hits.offsets, ours).astype(xp.int32),
                "n_both": segments.total(hits.offsets, theirs & ours).astype(xp.int32),
            }
            for c in _MADE:
                columns[c].append(row[c])
            counters |= _add_up(f"{name}/", row, ~factory) | _add_up(f"factory/{name}/", row, factory)
        n = len(BITS)
        flat = {c: xp.stack(parts, axis=1).reshape(-1) for c, parts in columns.items()}
        offsets = xp.arange(len(events) + 1, dtype=xp.int64) * n
        return {"scores": Table("scores", flat, offsets)}, counters


def score(chunk: Chunk) -> Chunk:
    """Compare the triggers that were found with those that the file holds.

    Parameters
    ----------
    chunk : Chunk
        After `triggers`, with the file's own bits (``triggered_hits`` of DAQ
        events, ``trig`` of offline hits).

    Returns
    -------
    Chunk
        With the table ``scores``, four rows an event (3DMuon, 3DShower,
        MXShower, NB): ``bit, stored, found, n_stored, n_found, n_both``.  The
        counters ``score/<trigger>/...`` add them up over events without
        FACTORY_LIMIT, ``score/factory/<trigger>/...`` over those with it.

    Raises
    ------
    FormatError
        `triggers` did not run, or the file holds no bits.
    """
    return Score()(chunk)


def ratios(counters: dict[str, float], prefix: str) -> dict[str, float]:
    """Turn counts into ratios.

    Parameters
    ----------
    counters : dict
        Of a chunk, or those of many added up.
    prefix : str
        ``"score/3DMuon/"``.

    Returns
    -------
    dict of str to float
        ``efficiency`` (hits of the file that were found), ``purity`` (hits found
        that are the file's) and ``agreement`` (events); NaN for 0 of 0.
    """
    c = {k.removeprefix(prefix): v for k, v in counters.items() if k.startswith(prefix)}
    events = sum(c.get(k, 0.0) for k in ("both", "stored_only", "found_only", "neither"))
    return {
        "efficiency": _ratio(c.get("hits_both", 0.0), c.get("hits_stored", 0.0)),
        "purity": _ratio(c.get("hits_both", 0.0), c.get("hits_found", 0.0)),
        "agreement": _ratio(c.get("both", 0.0) + c.get("neither", 0.0), events),
    }


def _ratio(a: float, b: float) -> float:
    return a / b if b else float("nan")


def _has(xp: Any, mask: Any, bit: int) -> Any:
    return (mask >> xp.uint64(bit)) & xp.uint64(1) != 0


def _sum(values: Any) -> float:
    return float(values.sum())


def _add_up(prefix: str, row: dict[str, Any], of: Any) -> dict[str, float]:
    stored, found = row["stored"] & of, row["found"] & of
    same = (row["n_stored"] == row["n_both"]) & (row["n_found"] == row["n_both"])
    counts = {
        "hits_stored": row["n_stored"][of],
        "hits_found": row["n_found"][of],
        "hits_both": row["n_both"][of],
        "both": stored & found,
        "stored_only": stored & ~found,
        "found_only": found & ~stored,
        "neither": of & ~stored & ~found,
        "exact": stored & same,
    }
    return {prefix + k: _sum(v) for k, v in counts.items()}

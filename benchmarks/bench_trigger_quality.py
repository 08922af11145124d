"""How far the triggers agree with the flags that Jpp stored, by hit and by event."""

from __future__ import annotations

from pathlib import Path

import km3net_testdata
import numpy as np

import km3gpu
from benchmarks.harness import Row
from km3gpu.stages import veto
from km3gpu.stages.score import BITS, score

DATA = Path(km3net_testdata.__file__).parent / "data"
ARCA = ("online/muon_cc_daqevents.root", "online/KM3NeT_00000133_JDAQEvent.root")
ORCA = ("online/events_sample.root", "online/km3net_online.root")
FACTORY = np.uint64(1 << 31)

# least efficiency and purity of hits, by trigger
HELD_OUT = {"3DMuon": (0.93, 0.86), "3DShower": (0.94, 0.86), "MXShower": (0.88, 0.86)}
STORED = {"3DMuon": (0.98, 0.82), "3DShower": (0.99, 0.80), "MXShower": (0.95, 0.79)}
NONE: dict[str, tuple[float, float]] = {}

Scores = dict[str, np.ndarray]


def run(quick: bool) -> list[Row]:
    """Score all files; `quick` changes nothing, since it takes seconds."""
    arca, mask = _scores(ARCA, "datx/KM3NeT_00000133_20221025.datx")
    factory = (mask & FACTORY) != 0
    plain = np.flatnonzero(~factory)
    tuning = plain[::4]
    orca, _ = _scores(ORCA, "detx/detx_v4.detx")
    return [
        *_rows("ARCA133, 151 events held out", arca, np.setdiff1d(plain, tuning), HELD_OUT, 0.90),
        *_rows("ARCA133, 51 events used to choose", arca, tuning, NONE),
        *_rows("ARCA133, 58 FACTORY_LIMIT events", arca, np.flatnonzero(factory), NONE),
        *_rows("ORCA4, 13 events, stored parameters", orca, np.arange(13), STORED),
        *_rows("ORCA4, 2 events with vetoed PMTs known", _vetoed(), np.arange(2), NONE),
    ]


def _scores(names: tuple[str, ...], detector: str) -> tuple[Scores, np.ndarray]:
    made = [
        score(km3gpu.triggers(km3gpu.open(DATA / n).read(backend="cpu"), str(DATA / detector))) for n in names
    ]
    table = {
        c: np.concatenate([m.scores.flat(c) for m in made]).reshape(-1, len(BITS))
        for c in made[0].scores.columns
    }
    return table, np.concatenate([m.events.flat("stored_trigger_mask") for m in made])


def _vetoed() -> Scores:
    """Score the events whose frame has its summary slice in the same file."""
    path = DATA / ORCA[1]
    events = km3gpu.open(path).read(backend="cpu")
    summary = km3gpu.open(path, tree="KM3NET_SUMMARYSLICE").read(backend="cpu")
    made = score(km3gpu.triggers(veto(events, summary), str(DATA / "detx/detx_v4.detx")))
    return {c: made.scores.flat(c).reshape(-1, len(BITS)) for c in made.scores.columns}


def _rows(
    sample: str,
    table: Scores,
    events: np.ndarray,
    floors: dict[str, tuple[float, float]],
    agree: float | None = None,
) -> list[Row]:
    rows = []
    for k, name in enumerate(BITS):
        of = {c: values[events, k] for c, values in table.items()}
        stored, found, both = (int(of[c].sum()) for c in ("n_stored", "n_found", "n_both"))
        if stored == 0:
            continue
        efficiency, purity = floors.get(name, (None, None))
        same = of["stored"] & (of["n_both"] == of["n_stored"]) & (of["n_both"] == of["n_found"])
        theirs, ours = of["stored"], of["found"]
        counts = (
            f"events both {int((theirs & ours).sum())}, Jpp only {int((theirs & ~ours).sum())},"
            f" ours only {int((ours & ~theirs).sum())}; same set of hits {int(same.sum())}"
        )
        rows += [
            Row(f"{sample}: {name} efficiency", both / stored, "of hits", limit=efficiency, note=counts),
            Row(f"{sample}: {name} purity", both / max(1, found), "of hits", limit=purity),
            Row(
                f"{sample}: {name} agreement",
                float((of["stored"] == of["found"]).mean()),
                "of events",
                limit=agree,
            ),
        ]
    return rows

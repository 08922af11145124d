"""How far the triggers agree with the flags that Jpp stored, by hit and by event."""

from __future__ import annotations

from pathlib import Path

import km3net_testdata
import numpy as np

import km3gpu
from benchmarks.harness import Row
from km3gpu.stages import calibrate, coincidences, score_truth, truth, veto
from km3gpu.stages.score import BITS, score
from km3gpu.stages.score_truth import truth_ratios

DATA = Path(km3net_testdata.__file__).parent / "data"
ARCA = ("online/muon_cc_daqevents.root", "online/KM3NeT_00000133_JDAQEvent.root")
ORCA = ("online/events_sample.root", "online/km3net_online.root")
FACTORY = np.uint64(1 << 31)
ARCA_DATX = "datx/KM3NeT_00000133_20221025.datx"
ORCA_DETX = "detx/D_ORCA006_t.A02181836.p.A02181837.r.A02182001.detx"
# sample, file, detector, trigger parameters, cosine of L2
SIMULATED = (
    (
        "ARCA115 nue", "offline/mcv6.gsg_nue-CCHEDIS_1e4-1e6GeV.sirene.jte.jchain.aanet.1.root",
        "detx/KM3NeT_-00000001_20171212.detx", "arca133", None,
    ),
    (
        "ORCA115 elec-CC",
        "offline/mcv5.0.gsg_elec-CC_10-100GeV.km3sim.JDK.jte.jmergefit.orca.909.evtsample.root",
        "detx/orca_115strings_av20min17mhorizontal_18OMs_alt9mvertical_v2.detx", "orca4", 0.0,
    ),
    (
        "ORCA6 muon-CC",
        "offline/mcv6.0.gsg_muon_highE-CC_50-500GeV.km3sim.jterbr00008357.jorcarec.aanet.905.root",
        ORCA_DETX, "orca4", 0.0,
    ),
)  # fmt: skip
SHOWN = {"all": "all hits", "clusters": "L2", "stored": "Jpp's triggers", "found": "our triggers"}

# least efficiency and purity of hits, by trigger
HELD_OUT = {"3DMuon": (0.93, 0.86), "3DShower": (0.94, 0.86), "MXShower": (0.88, 0.86)}
STORED = {"3DMuon": (0.98, 0.82), "3DShower": (0.99, 0.80), "MXShower": (0.95, 0.79)}
NONE: dict[str, tuple[float, float]] = {}

Scores = dict[str, np.ndarray]


def run(quick: bool) -> list[Row]:
    """Score all files; `quick` changes nothing, since it takes seconds."""
    arca, mask = _scores(ARCA, ARCA_DATX)
    factory = (mask & FACTORY) != 0
    plain = np.flatnonzero(~factory)
    tuning = plain[::4]
    orca, _ = _scores(ORCA, "detx/detx_v4.detx")
    return [
        *_rows("ARCA133, 151 events held out", arca, np.setdiff1d(plain, tuning), HELD_OUT, 0.90),
        *_rows("ARCA133, 51 events used to choose", arca, tuning, NONE),
        *_rows("ARCA133, 58 FACTORY_LIMIT events", arca, np.flatnonzero(factory), NONE),
        *_rows("ORCA4, 13 events, stored parameters", orca, np.arange(13), STORED),
        *_rows("ORCA4, 6 events with vetoed PMTs known", _vetoed(), np.arange(6), NONE),
        *_truth(),
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


def _truth() -> list[Row]:
    """Score L2 and triggers by the light that was simulated."""
    daq = calibrate(km3gpu.open(DATA / ARCA[0]).read(backend="cpu"), str(DATA / ARCA_DATX), slewing="none")
    light = km3gpu.open(DATA / "offline/muon_cc_events.root").read(["events", "mc_hits"], backend="cpu")
    rows = _shares("muon_cc, ARCA133", truth(daq, str(DATA / ARCA_DATX), light), None, "arca133", None)
    for name, file, detector, parameters, cosine in SIMULATED:
        at = str(DATA / detector)
        chunk = km3gpu.open(DATA / file).read(["events", "hits", "mc_hits"], backend="cpu")
        axes = calibrate(chunk, at).hits
        placed = chunk.hits.with_columns(**{f"dir_{c}": axes.flat(f"dir_{c}") for c in "xyz"})
        chunk = truth(chunk.evolve("axes", {"hits": placed}), at)
        rows += _shares(f"{name}, simulated", chunk, at, parameters, cosine)
    return rows


def _shares(
    sample: str, chunk: km3gpu.Chunk, detector: str | None, parameters: str, cosine: float | None
) -> list[Row]:
    level2 = coincidences(chunk, l2_window=10.0, min_cos=cosine)
    counters = score_truth(km3gpu.triggers(level2, detector, parameters)).counters
    note = f"{int(counters['score_truth/events'])} events with labels"
    rows = []
    for selection, shown in SHOWN.items():
        got = truth_ratios(counters, selection)
        rows += [
            Row(f"{sample}: {shown}, signal kept", got["efficiency"], "of hits", note=note),
            Row(f"{sample}: {shown}, signal among them", got["purity"], "of hits"),
        ]
    return rows


def _vetoed() -> Scores:
    """Score the events whose frame has its status of PMTs in the same file."""
    parts = []
    for name, tree, detector in (
        (ORCA[1], "KM3NET_SUMMARYSLICE", "detx/detx_v4.detx"),
        (ORCA[0], "KM3NET_TIMESLICE_L1", ORCA_DETX),
    ):
        events = km3gpu.open(DATA / name).read(backend="cpu")
        status = km3gpu.open(DATA / name, tree=tree).read(backend="cpu")
        made = score(km3gpu.triggers(veto(events, status), str(DATA / detector)))
        known = np.isin(events.events.flat("frame_index"), status.events.flat("frame_index"))
        parts.append({c: made.scores.flat(c).reshape(-1, len(BITS))[known] for c in made.scores.columns})
    return {c: np.concatenate([p[c] for p in parts]) for c in parts[0]}


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

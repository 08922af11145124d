"""What a run list says of the runs that a plan read: which were left out, and the livetime of the others."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from km3gpu.pipeline.plan import Plan
from km3gpu.pipeline.variants import runs_of
from km3gpu.stages.runs import Run, Runs

__all__ = ["livetimes", "told"]

_COUNTED = re.compile(r"livetime/run_(-?\d+)")
_OUTSIDE = re.compile(r"runs/outside_run_(-?\d+)")
_SHOWN = 6


def livetimes(plan: Plan, counters: Mapping[str, float]) -> dict[str, Any] | None:
    """Put together what the run list of a plan says of the runs of its inputs.

    Parameters
    ----------
    plan : Plan
    counters : mapping of str to float
        Of the run; empty before it.

    Returns
    -------
    dict or None
        ``livetime``, the seconds of all good runs that are in the inputs, each once; ``unknown``,
        how many of them have none in the list; ``runs``, by ``det_id/run``: ``good``,
        ``verdict``, ``livetime``, ``outside`` (events out of the times of the run) and
        ``counted`` (seconds of the slices that were read, where the stage livetime
        counted them); ``absent``, the good runs of the list that are in no input.
        None without a run list.
    """
    lists = [table for table in plan.recipe["stages"] if table["use"] == Runs.name]
    if not lists:
        return None
    found: dict[tuple[int | None, int], Run] = {}
    for source in plan.inputs:
        found |= runs_of(source.files)
    if any(table["use"] == "deduplicate" for table in plan.recipe["stages"]):
        # chunk by chunk slices count twice that another chunk has too
        counters = {k: v for k, v in counters.items() if not _COUNTED.fullmatch(k)}
    outside, counted = ({m[1]: n for k, n in counters.items() if (m := rule.fullmatch(k))} for rule in _RULES)
    rows = {
        f"{'any' if det is None else det}/{number}": {
            "run": number,
            "good": run.good,
            "verdict": run.verdict,
            "livetime": run.to_json()["livetime"],
            "outside": int(outside.get(str(number), 0)),
            "counted": counted.get(str(number)),
        }
        for (det, number), run in sorted(found.items(), key=lambda item: item[0][1])
    }
    good = [row for row in rows.values() if row["good"]]
    seconds = [row["livetime"] for row in good if row["livetime"] is not None]
    listed = Runs(**{k: v for k, v in lists[0].items() if k != "use"}).good()
    here = {number for _, number in found}
    return {
        "livetime": sum(seconds) if seconds else None,
        "unknown": len(good) - len(seconds),
        "runs": rows,
        "absent": sorted(number for _, number in listed if number not in here),
    }


_RULES = (_OUTSIDE, _COUNTED)


def told(facts: Mapping[str, Any]) -> list[str]:
    """Say it in lines."""
    rows = facts["runs"].values()
    good = [row for row in rows if row["good"]]
    words = f"runs: {len(good):,} good"
    if facts["livetime"] is not None:
        words += f", livetime {facts['livetime'] / 3600:,.4g} h ({facts['livetime']:,.1f} s)"
    if facts["unknown"]:
        words += f", {facts['unknown']:,} of them without one in the list"
    said = [words]
    left = [f"{row['run']} is {row['verdict']}" for row in rows if not row["good"]]
    if left:
        said.append(f"left out {len(left):,}: {_shortened(left)}")
    if facts["absent"]:
        absent = _shortened([str(r) for r in facts["absent"]])
        said.append(f"good runs of the list that no input has, {len(facts['absent']):,}: {absent}")
    out = [f"{row['outside']:,} of run {row['run']}" for row in rows if row["outside"]]
    if out:
        said.append(f"events outside of the times of their run: {_shortened(out)}")
    counted = [
        f"run {row['run']} {row['counted']:,.1f} s of {row['livetime']:,.1f} s"
        for row in good
        if row["counted"] is not None and row["livetime"] is not None
    ]
    if counted:
        said.append(f"counted in slices: {_shortened(counted)}")
    return said


def _shortened(words: list[str]) -> str:
    return ", ".join(words[:_SHOWN]) + (", ..." if len(words) > _SHOWN else "")

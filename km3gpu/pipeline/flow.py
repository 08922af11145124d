"""A record laid out as a flow: who made the inputs, the inputs, the stages, the outputs.

This is what a picture of a run shows; files that came the same way are one box,
so that a run over a thousand files is as readable as one over three.
"""

from __future__ import annotations

import datetime as dt
import json
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Any

__all__ = ["Box", "Flow", "Lane", "Step", "flow"]

_LANES = 4
_SINGLE = 3  # up to so many inputs are shown each
_NAMES = 3  # files named in a box of many
_SETTINGS = 4
_HARD = "\u00a0"


@dataclass(frozen=True)
class Box:
    """A box of the picture.

    Attributes
    ----------
    kind : str
        ``"upstream"``, ``"data"``, ``"calibration"``, ``"stage"``, ``"output"``, ``"missing"``.
    title : str
    lines : tuple of str
        What is said below the title.
    """

    kind: str
    title: str
    lines: tuple[str, ...] = ()


@dataclass(frozen=True)
class Lane:
    """Inputs that came the same way: the applications that made them, in order, and the files."""

    upstream: tuple[Box, ...]
    data: Box


@dataclass(frozen=True)
class Step:
    """A stage, and the files of the calibration that it uses."""

    stage: Box
    files: tuple[Box, ...] = ()


@dataclass(frozen=True)
class Flow:
    """All that the picture of a record shows.

    Attributes
    ----------
    title : str
    lines : tuple of str
        Below the title: plan, code, status, environment.
    lanes : tuple of Lane
    steps : tuple of Step
    outputs : tuple of Box
    """

    title: str
    lines: tuple[str, ...]
    lanes: tuple[Lane, ...]
    steps: tuple[Step, ...]
    outputs: tuple[Box, ...]


def flow(record: Mapping[str, Any], name: str) -> Flow:
    """Lay a record out.

    Parameters
    ----------
    record : mapping
        From `km3gpu.pipeline.provenance.read`.
    name : str
        What it is the record of.
    """
    return Flow(
        name,
        tuple(_about(record)),
        tuple(_lanes([i for i in record["inputs"] if i["role"] == "data"])),
        tuple(_steps(record)),
        tuple(_outputs(record)),
    )


def _about(record: Mapping[str, Any]) -> Iterable[str]:
    git = record.get("git") or {}
    changed = " with uncommitted changes" if git.get("dirty") else ""
    yield f"plan {record['plan']}, code {record['code']}" + (
        f", git {git['commit'][:12]}{changed}" if git else ""
    )
    sessions = record.get("sessions") or []
    if sessions:
        began = dt.datetime.fromtimestamp(sessions[0]["time"], dt.UTC)
        by = f" by {sessions[0]['user']}" if sessions[0].get("user") else ""
        more = f" in {len(sessions)} sessions" if len(sessions) > 1 else ""
        yield f"{record['status']}{more}, begun {began:%Y-%m-%d %H:%M:%S} UTC{by}"
    for env in list(record["environments"].values())[:2]:
        gpu = env["gpu"] if isinstance(env["gpu"], str) else env["gpu"]["name"]
        yield f"{env['python']}, {env['cpu']}, GPU {gpu.partition(':')[0]}"
    done, missing = len(record["chunks"]), len(record["missing"])
    events = sum(c["n_out"] for c in record["chunks"])
    chunks = f"{done:,} chunk{'' if done == 1 else 's'}, {events:,} events"
    yield chunks + (f"; {missing:,} missing" if missing else "")


# -- inputs ---------------------------------------------------------------------
def _lanes(inputs: Sequence[Mapping[str, Any]]) -> Iterable[Lane]:
    groups: dict[Any, list[Mapping[str, Any]]] = {}
    for i in inputs:
        way = tuple((m.get("application", ""), m.get("git", "")) for m in i["meta"])
        alone = i["digest"] if len(inputs) <= _SINGLE else ""
        groups.setdefault((way, i["kind"], i["tree"], i.get("label", ""), alone), []).append(i)
    ordered = list(groups.values())
    if len(ordered) > _LANES:
        ordered.sort(key=len, reverse=True)
        rest = ordered[_LANES - 1 :]
        for group in ordered[: _LANES - 1]:
            yield _lane(group)
        files = [i for group in rest for i in group]
        yield Lane((), Box("data", f"{len(files):,} files of {len(rest)} other kinds", tuple(_named(files))))
        return
    for group in ordered:
        yield _lane(group)


def _lane(group: Sequence[Mapping[str, Any]]) -> Lane:
    upstream = tuple(
        Box("upstream", f"{m.get('application', '')} {m.get('git', '')}".strip(), (_made(group, n),))
        for n, m in enumerate(group[0]["meta"])
    )
    first = group[0]
    entries = sum(i["n_entries"] for i in group)
    label = f" ({first['label']})" if first.get("label") else ""
    what = f"{first['kind']} {first['tree']}, {entries:,} entries, {_size(sum(i['size'] for i in group))}"
    if len(group) == 1:
        lines = [what, first["digest"][:23]] + ([f"uuid {first['uuid']}"] if first["uuid"] else [])
        return Lane(upstream, Box("data", PurePosixPath(first["path"]).name + label, tuple(lines)))
    return Lane(upstream, Box("data", f"{len(group):,} files{label}", (what, *_named(group))))


def _made(group: Sequence[Mapping[str, Any]], n: int) -> str:
    days = sorted({str(i["meta"][n].get("time", ""))[:10] for i in group} - {""})
    return " to ".join(dict.fromkeys((days[0], days[-1]))) if days else ""


def _named(group: Sequence[Mapping[str, Any]]) -> Iterable[str]:
    names = [PurePosixPath(i["path"]).name for i in group]
    if len(names) <= _NAMES:
        yield from names
        return
    yield from (*names[: _NAMES - 1], "...", names[-1])


# -- stages ---------------------------------------------------------------------
def _steps(record: Mapping[str, Any]) -> Iterable[Step]:
    calibration = [i for i in record["inputs"] if i["role"] != "data"]
    recipe = record.get("configuration", {}).get("recipe", {}).get("stages", [])
    origins = record.get("configuration", {}).get("origins", {})
    seconds: dict[str, float] = {}
    counters: dict[str, float] = {}
    for chunk in record["chunks"]:
        for k, v in chunk.get("seconds", {}).items():
            seconds[k] = seconds.get(k, 0.0) + v
        for k, v in chunk.get("counters", {}).items():
            if v and not k.rpartition("/")[2].startswith("max_"):
                counters[k] = counters.get(k, 0.0) + v
    told: set[str] = set()
    for n, stage in enumerate(record["stages"]):
        name = stage["stage"]
        text = json.dumps(stage) + (json.dumps(recipe[n]) if n < len(recipe) else "")
        by_table = {f for i in record["inputs"] for at, _, f in i.get("files", ()) if at == n}
        named = [i for i in calibration if i["digest"] in text or i["path"] in text]
        tabled = [i for i in calibration if i["path"] in by_table and i not in named]
        files = [*named, *tabled]
        chosen = {
            k: v
            for k, v in stage.items()
            if k != "stage" and (not origins or origins.get(f"stage.{n}.{k}", "default") != "default")
        }
        lines = [
            f"{k} = {_short(v)}" for k, v in chosen.items() if not _is_file(v, files) and v not in (None, [])
        ]
        lines = [*lines[:_SETTINGS], "..."] if len(lines) > _SETTINGS else lines
        counted = [
            f"{k.partition('/')[2].replace('_', ' ')} {v:,.0f}"
            for k, v in counters.items()
            if k.startswith(f"{name}/")
        ][:2]
        if counted:
            lines.append(", ".join(counted))
        title = name
        if name in seconds and name not in told:  # stages of one name share their time
            title += f"   {seconds[name]:.2f} s"
            told.add(name)
        boxes = [_file(i) for i in named]
        if len(tabled) <= _NAMES:
            boxes += [_file(i) for i in tabled]
        else:
            boxes.append(Box("calibration", f"{len(tabled)} files of the table", tuple(_named(tabled))))
        yield Step(Box("stage", title, tuple(lines)), tuple(boxes))


def _file(source: Mapping[str, Any]) -> Box:
    name = PurePosixPath(source["path"]).name
    return Box("calibration", name, (source["digest"][:23], _size(source["size"])))


def _is_file(value: Any, files: Sequence[Mapping[str, Any]]) -> bool:
    return isinstance(value, str) and any(value in (i["digest"], i["path"]) for i in files)


def _short(value: Any) -> str:
    if isinstance(value, str) and value.startswith("sha256:"):
        return value[:23]
    return value if isinstance(value, str) else json.dumps(value)


# -- outputs --------------------------------------------------------------------
def _outputs(record: Mapping[str, Any]) -> Iterable[Box]:
    made = record.get("outputs", [])
    shown = made if len(made) <= _LANES else made[: _LANES - 1]
    for o in shown:
        # words that belong together stay together: textwrap breaks at other spaces only
        rows = (f"{t} {n:,}".replace("_", " ").replace(" ", _HARD) for t, n in o["rows"].items())
        lines = [x.replace(_HARD, " ") for x in textwrap.wrap(", ".join(rows), 44)]
        yield Box("output", o["name"], (f"{_size(o['bytes'])}, {o['digest'][:23]}", *lines[:3]))
    if len(shown) < len(made):
        rest = made[len(shown) :]
        lines = [o["name"] for o in rest[:2]] + (["..."] if len(rest) > 2 else [])
        yield Box("output", f"{len(rest)} more files", tuple(lines))
    if record["missing"]:
        why = [m["why"] for m in record["missing"] if isinstance(m, Mapping)]
        faults = {f["id"]: f["fault"]["message"] for f in record.get("failures", []) if f.get("fault")}
        why += [faults[m] for m in record["missing"] if isinstance(m, str) and m in faults]
        n = len(record["missing"])
        yield Box("missing", f"{n:,} chunk{'' if n == 1 else 's'} missing", tuple(dict.fromkeys(why))[:2])


def _size(n: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if n < 1000:
            return f"{n:.3g} {unit}"
        n /= 1000
    return f"{n:.3g} TB"

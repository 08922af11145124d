"""What changed between two runs, by their records."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from km3gpu.pipeline import provenance
from km3gpu.pipeline.verify import changes

__all__ = ["Change", "difference", "stage_changes"]


@dataclass(frozen=True)
class Change:
    """One thing in which two runs differ.

    Attributes
    ----------
    section : str
        ``"code"``, ``"input"``, ``"stage"``, ``"sink"``, ``"setting"``,
        ``"environment"``, ``"chunk"``, ``"output"``.
    key : str
        What it is.
    a, b : str
        What it is in the one run and in the other; ``"-"`` where it is not.
    """

    section: str
    key: str
    a: str
    b: str

    def short(self) -> tuple[str, str]:
        """Give `a` and `b` with digests as people quote them, by their first twelve digits."""
        a, b = (re.sub(r"(?:sha256|mark):([0-9a-f]{12})[0-9a-f]+", r"\1", v) for v in (self.a, self.b))
        return a, b

    def __str__(self) -> str:
        return f"{self.section} {self.key}: {' -> '.join(self.short())}"


def difference(a: str | Path, b: str | Path) -> list[Change]:
    """Compare the records of two runs.

    Parameters
    ----------
    a, b : str or Path
        Directories of runs, records, or outputs.

    Returns
    -------
    list of Change
        From what went in to what came out; empty for runs of the same plan
        with the same result.
    """
    one, other = provenance.read(a), provenance.read(b)
    return list(_changes(one, other))


def _changes(a: Mapping[str, Any], b: Mapping[str, Any]) -> Iterator[Change]:
    if a["code"] != b["code"]:
        yield Change("code", "version", a["code"], b["code"])
    # what is embedded in an output tells neither how nor where it was made
    whole = all("configuration" in r for r in (a, b))
    if whole:
        for key, x, y in changes(a.get("git") or {}, b.get("git") or {}):
            yield Change("code", f"git.{key}", x, y)
    yield from _inputs(a["inputs"], b["inputs"])
    yield from stage_changes(a["stages"], b["stages"])
    for section, place in (
        ("sink", ("recipe", "sinks")),
        ("source", ("recipe", "source")),
        ("setting", ("run",)),
    ):
        if whole:
            for key, x, y in changes(_at(a["configuration"], place), _at(b["configuration"], place)):
                yield Change(section, key, x, y)
    for key, x, y in changes(_environment(a), _environment(b)):
        yield Change("environment", key, x, y)
    yield from _chunks(a["chunks"], b["chunks"])
    if whole:
        outputs = [{o["name"]: o["digest"] for o in r["outputs"]} for r in (a, b)]
        for key, x, y in changes(*outputs):
            yield Change("output", key, x, y)


def _at(node: Any, place: Sequence[str]) -> Mapping[str, Any]:
    for key in place:
        node = node.get(key, {}) if isinstance(node, Mapping) else {}
    if isinstance(node, list):
        return {f"{n.get('name', i)}.{n.get('format', '')}": n for i, n in enumerate(node)}
    return node if isinstance(node, Mapping) else {}


def _inputs(a: Sequence[Mapping[str, Any]], b: Sequence[Mapping[str, Any]]) -> Iterator[Change]:
    ones, others = ({i["digest"]: i for i in side} for side in (a, b))
    for digest, i in ones.items():
        if digest not in others:
            yield Change("input", i["path"], digest, "-")
    for digest, i in others.items():
        if digest not in ones:
            yield Change("input", i["path"], "-", digest)


def stage_changes(a: Sequence[Mapping[str, Any]], b: Sequence[Mapping[str, Any]]) -> Iterator[Change]:
    """Give what differs between two chains of stages.

    Parameters
    ----------
    a, b : sequence of mapping
        Fingerprints of the stages as plain values.

    Yields
    ------
    Change
        Of section ``"stage"``: the order, or a parameter as ``"select.events"``; the
        second stage of a name is ``"select[2]"``.
    """
    ones, others = (_numbered(side) for side in (a, b))
    if list(ones) != list(others):
        yield Change("stage", "order", *(" > ".join(side) or "-" for side in (ones, others)))
    for name, one in ones.items():
        if name in others:
            for key, x, y in changes(one, others[name]):
                yield Change("stage", f"{name}.{key}", x, y)


def _numbered(stages: Sequence[Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    found: dict[str, Mapping[str, Any]] = {}
    for stage in stages:
        names = (stage["stage"], *(f"{stage['stage']}[{n}]" for n in range(2, len(stages) + 1)))
        found[next(n for n in names if n not in found)] = stage
    return found


def _environment(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """Give the environment of the last session, or the first that there is."""
    environments = record["environments"]
    sessions = record.get("sessions") or [{}]
    last = environments.get(sessions[-1].get("environment"))
    found: Mapping[str, Any] = last or next(iter(environments.values()), {})
    return found


def _chunks(a: Sequence[Mapping[str, Any]], b: Sequence[Mapping[str, Any]]) -> Iterator[Change]:
    ones, others = ({c["id"]: c for c in side} for side in (a, b))
    shared = ones.keys() & others.keys()
    if ones.keys() != others.keys():
        yield Change(
            "chunk",
            "made",
            f"{len(ones)} ({len(ones) - len(shared)} only here)",
            f"{len(others)} ({len(others) - len(shared)} only here)",
        )
    for identity in ones:
        if identity not in shared:
            continue
        x, y = ones[identity], others[identity]
        parts = [{o["name"]: o["digest"] for o in c.get("outputs", [])} for c in (x, y)]
        for name in parts[0].keys() & parts[1].keys():
            if parts[0][name] != parts[1][name]:
                # the same id and other bytes: this must not be
                yield Change("chunk", name, parts[0][name], parts[1][name])
        if x["device"] != y["device"]:
            yield Change("chunk", f"{identity}.device", x["device"], y["device"])

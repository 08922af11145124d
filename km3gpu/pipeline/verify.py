"""Whether a record still holds: are inputs, outputs, parts, code and environment what it says."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from km3gpu.chunk import code_version
from km3gpu.errors import Km3GpuError
from km3gpu.io.filebytes import is_url
from km3gpu.pipeline import catalogue, environment, provenance
from km3gpu.pipeline.plan import identify

__all__ = ["Finding", "verify"]


@dataclass(frozen=True)
class Finding:
    """One thing that a record speaks of, and how it is now.

    Attributes
    ----------
    kind : str
        ``"input"``, ``"output"``, ``"part"``, ``"code"``, ``"environment"``.
    name : str
        Path, or what it is.
    state : str
        ``"same"``, ``"changed"``, ``"gone"``, or ``"unknown"`` where nothing says what it was.
    detail : str
        What differs.
    """

    kind: str
    name: str
    state: str
    detail: str = ""


def verify(path: str | Path, *, parts: bool = True) -> list[Finding]:
    """Compare a record with what there is now.

    Parameters
    ----------
    path : str or Path
        Directory of a run, its record, or one of its outputs: what its own bytes
        were is told by the record beside it, or by the catalogue of runs.
    parts : bool
        Look at every part too.

    Returns
    -------
    list of Finding
        Files are compared byte for byte, by digest.

    Raises
    ------
    InputNotFoundError, FormatError
        There is no record.
    """
    record = provenance.read(path)
    folder = Path(path) if Path(path).is_dir() else Path(path).parent
    found = [_file("input", i["path"], i["digest"]) for i in record["inputs"]]
    found += [_file("output", str(folder / o["name"]), o["digest"]) for o in record.get("outputs", [])]
    if not folder.samefile(path) and "sessions" not in record:
        found.append(_itself(Path(path), record))
    made = [o for chunk in record["chunks"] for o in chunk.get("outputs", [])] if parts else []
    if made and not (folder / "parts").is_dir():
        found.append(Finding("part", str(folder / "parts"), "gone", f"all {len(made)}"))
    else:
        found += [_file("part", str(folder / "parts" / o["name"]), o["digest"]) for o in made]
    now = code_version()
    same = record["code"] == now
    found.append(Finding("code", record["code"], "same" if same else "changed", "" if same else f"now {now}"))
    found += _environments(record["environments"])
    return found


def _itself(path: Path, record: Mapping[str, Any]) -> Finding:
    """Compare an output that is named alone with what others say of it: it cannot hold its own digest."""
    known: set[str] = set()
    with contextlib.suppress(Km3GpuError):
        beside = provenance.read(path.parent)
        if beside["plan"] == record["plan"]:
            known |= {o["digest"] for o in beside.get("outputs", []) if o["name"] == path.name}
    place = catalogue.place()
    if not known and place is not None:
        with contextlib.suppress(Km3GpuError), catalogue.Catalogue(place) as there:
            known |= {digest for (digest,) in there.rows(_MADE, (record["plan"],))}
    now = identify(str(path))[0]
    if not known:
        words = (
            "its record is embedded in it, and neither a record beside it nor the catalogue has its digest"
        )
        return Finding("output", str(path), "unknown", words)
    return Finding("output", str(path), *(("same", "") if now in known else ("changed", f"now {now}")))


_MADE = (
    "SELECT digest FROM files JOIN uses ON file = files.id JOIN runs ON run = runs.id"
    " WHERE role = 'output' AND plan = ?"
)


def _file(kind: str, path: str, digest: str) -> Finding:
    if not is_url(path) and not Path(path).is_file():
        return Finding(kind, path, "gone")
    now = identify(path, "content" if digest.startswith("sha256:") else "mark")[0]
    same = now == digest
    return Finding(kind, path, "same" if same else "changed", "" if same else f"now {now}")


def _environments(recorded: Mapping[str, Mapping[str, Any]]) -> Iterator[Finding]:
    now = environment.describe()
    for digest, then in recorded.items():
        differences = list(changes(then, now))
        words = "; ".join(f"{k}: {a} -> {b}" for k, a, b in differences)
        yield Finding("environment", digest, "changed" if differences else "same", words)


def changes(then: Mapping[str, Any], now: Mapping[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Give what differs between two mappings of plain values, by dotted key.

    Parameters
    ----------
    then, now : mapping

    Yields
    ------
    (str, str, str)
        Key, value then, value now; ``"-"`` for one that is not there.
    """
    for key in [*then, *(k for k in now if k not in then)]:
        a, b = then.get(key), now.get(key)
        if isinstance(a, Mapping) and isinstance(b, Mapping):
            yield from ((f"{key}.{k}", x, y) for k, x, y in changes(a, b))
        elif a != b:
            yield key, "-" if a is None else str(a), "-" if b is None else str(b)

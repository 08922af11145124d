"""Where every row came from: the journal of a run read as a record.

Two texts are made.  The **record** (``provenance.json``) is everything: sessions,
attempts, workers, times, environments.  The **embedded** one goes into each
merged file, and holds only what shaped its rows, so that the same rows are the
same bytes whoever computed them.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Container, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from km3gpu.errors import FormatError, InputNotFoundError, Km3GpuError
from km3gpu.io import sink
from km3gpu.pipeline import journal
from km3gpu.pipeline.longjson import pieces
from km3gpu.pipeline.plan import Input, Plan
from km3gpu.pipeline.receipt import Output, Receipt
from km3gpu.pipeline.rundir import RunDirectory, write_atomically

__all__ = ["FORMAT", "build", "embedded", "read", "write"]

FORMAT = "km3gpu provenance"
VERSION = 1


def embedded(
    directory: RunDirectory,
    plan: Plan,
    receipts: Sequence[Receipt],
    missing: Sequence[Receipt],
    paths: Container[str] | None = None,
) -> str:
    """Make the record that goes into a merged file.

    Parameters
    ----------
    directory : RunDirectory
        Its environments are taken in.
    plan : Plan
    receipts : sequence of Receipt
        Of the chunks in the file, in order.
    missing : sequence of Receipt
        Of the chunks that failed.
    paths : container of str, optional
        The data files that may have rows in it; all by default.

    Returns
    -------
    str
        JSON; it depends on inputs, configuration, code and environment only.
    """
    used = sorted({r.environment for r in receipts})
    record = {
        "format": FORMAT,
        "version": VERSION,
        "plan": plan.id,
        "code": plan.code,
        "stages": [json.loads(h) for h in plan.history],
        "inputs": [
            {k: v for k, v in asdict(i).items() if k != "mtime_ns"}
            for i in plan.inputs
            if paths is None or _concerns(plan, i, paths)
        ],
        "environments": _environments(directory, used),
        "chunks": [
            {
                "id": r.id,
                "path": r.path,
                "tree": r.tree,
                "entries": list(r.entries),
                "n_out": r.n_out,
                "device": r.device,
                "environment": r.environment,
            }
            for r in receipts
        ],
        "missing": [
            {
                "id": r.id,
                "path": r.path,
                "entries": list(r.entries),
                "why": r.fault.message if r.fault else "",
            }
            for r in missing
        ],
    }
    return json.dumps(record, sort_keys=True)


def build(directory: RunDirectory, plan: Plan, outputs: Sequence[Output]) -> dict[str, Any]:
    """Read the journals of a run as one record.

    Parameters
    ----------
    directory : RunDirectory
    plan : Plan
    outputs : sequence of Output
        The merged files.

    Returns
    -------
    dict
        Plain values; see the keys.
    """
    record = _record(directory, plan, outputs)
    return {**record, "chunks": list(record["chunks"])}


def _record(directory: RunDirectory, plan: Plan, outputs: Sequence[Output]) -> dict[str, Any]:
    """Make the record, with chunks that come one by one."""
    state = directory.state()
    used = {str(s.get("environment", "")) for s in state.sessions}
    failures = []
    for event in journal.read(directory.journals()):
        if event.get("event") == "receipt":
            used.add(str(event["environment"]))
            if event["state"] != "done":
                failures.append({k: v for k, v in event.items() if k != "event"})
    done = [state.done[leaf.id] for c in plan.chunks for leaf in state.leaves(c) if leaf.id in state.done]
    missing = [leaf.id for c in plan.chunks for leaf in state.leaves(c) if leaf.id not in state.done]
    last = state.sessions[-1] if state.sessions else {}
    sessions = _ended(state.sessions, directory.running())
    return {
        "format": FORMAT,
        "version": VERSION,
        "plan": plan.id,
        "code": plan.code,
        "git": last.get("git"),
        "status": sessions[-1]["ended"]["status"] if sessions else "killed",
        "complete": not missing,
        "sessions": sessions,
        "configuration": {
            "recipe": plan.recipe,
            "origins": last.get("origins", {}),
            "run": last.get("settings", {}),
        },
        "stages": [json.loads(h) for h in plan.history],
        "inputs": [asdict(i) for i in plan.inputs],
        "environments": _environments(directory, sorted(used - {""})),
        "chunks": (r.to_json() for r in done),
        "missing": missing,
        "splits": {k: [c.id for c in v] for k, v in state.splits.items()},
        "failures": failures,
        "outputs": [asdict(o) for o in outputs],
        "journals": _sizes(directory),
    }


def _sizes(directory: RunDirectory) -> dict[str, int]:
    """Give the sizes of the journals: a record of the same sizes is up to date, whatever the clock says."""
    return {j.name: j.stat().st_size for j in directory.journals()}


def _concerns(plan: Plan, source: Input, paths: Container[str]) -> bool:
    """Tell whether an input has to do with some of the data files."""
    if source.role == "data":
        return source.path in paths
    used_by = [i.path for i in plan.inputs for *_, f in i.files if f == source.path]
    return not used_by or any(p in paths for p in used_by)


def _ended(sessions: Sequence[Mapping[str, Any]], running: bool) -> list[dict[str, Any]]:
    """Give the sessions without what the record says once for all, each with how it ended.

    A session that never said so was killed, unless it is the last of its kind
    and somebody is at work.
    """
    once = ("event", "monotonic", "origins", "settings", "git")
    found = [{k: v for k, v in s.items() if k not in once} for s in sessions]
    for n, session in enumerate(found):
        later = any(s.get("slice") == session.get("slice") for s in found[n + 1 :])
        session.setdefault("ended", {"status": "running" if running and not later else "killed"})
    return found


def _environments(directory: RunDirectory, digests: Sequence[str]) -> dict[str, Any]:
    found = {}
    for digest in digests:
        path = directory.path / "environments" / f"{digest}.json"
        if path.exists():
            found[digest] = json.loads(path.read_text(encoding="utf-8"))
    return found


def write(directory: RunDirectory, plan: Plan, outputs: Sequence[Output]) -> Path:
    """Write ``provenance.json`` beside the outputs, and give its path."""
    path = directory.path / "provenance.json"
    write_atomically(path, pieces(_record(directory, plan, outputs)))
    return path


def read(path: str | Path) -> dict[str, Any]:
    """Read a record: of a run's directory, a ``provenance.json``, or embedded in an output.

    Parameters
    ----------
    path : str or Path

    Returns
    -------
    dict

    Raises
    ------
    InputNotFoundError
        There is no such file, or no record in it.
    FormatError
        What is there is no record of km3gpu.
    """
    path = Path(path)
    if path.is_dir():
        return _of_directory(RunDirectory(path))
    try:
        text = _text(path)
    except FileNotFoundError:
        raise InputNotFoundError(f"no file {str(path)!r}", remedy="check the path") from None
    except PermissionError:
        raise InputNotFoundError(f"{str(path)!r} may not be read", remedy="ask its owner") from None
    except Km3GpuError:
        raise
    except (ValueError, OSError, KeyError) as error:  # Arrow's errors are ValueErrors
        words = " ".join(str(error).split()).rstrip(".")
        remedy = "it is damaged: fetch or make it again"
        raise FormatError(f"the file does not read: {words}", where=str(path), remedy=remedy) from error
    try:
        record = _inside(json.loads(text))
        found: dict[str, Any] = record if record["format"] == FORMAT else {}
    except (ValueError, KeyError, TypeError, AttributeError):
        found = {}
    if not found:
        raise FormatError(
            "no record of where its rows came from", where=str(path), remedy="name an output of km3gpu"
        )
    return found


def _inside(data: dict[str, Any]) -> dict[str, Any]:
    """Give the record in a file of histograms, which is JSON as well; a record is its own."""
    for value in () if "format" in data else data.values():
        if sink.PROVENANCE in value.get("metadata", {}):
            record: dict[str, Any] = value["metadata"][sink.PROVENANCE]
            return record
    return data


def _text(path: Path) -> bytes | str:
    """Give what may be a record: the file itself, or what is embedded in it."""
    # what reads other formats is imported where there is one: every run needs this module to write,
    # and astropy and h5py take 0.3 s
    with open(path, "rb") as file:
        start = file.read(8)
        file.seek(0)
        if start.startswith(b"PAR1"):
            import pyarrow.parquet as pq

            found: bytes = (pq.read_schema(path).metadata or {}).get(sink.PROVENANCE.encode(), b"")
            return found
        if start.startswith(b"\x89HDF"):
            import h5py

            with h5py.File(path, "r") as hdf5:
                return bytes(hdf5["provenance"][()]) if "provenance" in hdf5 else b""
        if start.startswith(b"SIMPLE"):
            from km3gpu.io import fitstables
            from km3gpu.io.fitsfile import read_sheets

            return fitstables.record(read_sheets(str(path)))
        # a record begins as every JSON object does; other files may be large
        return file.read() if start.lstrip().startswith(b"{") else b""


def _of_directory(directory: RunDirectory) -> dict[str, Any]:
    """Give the record of a run, also of one that still runs, or that was killed."""
    path = directory.path / "provenance.json"
    written: dict[str, Any] | None = None
    with contextlib.suppress(InputNotFoundError, FormatError):  # the journals say the same
        written = read(path)
    # of a run that was put away the record may be all there is
    if written is not None and _sizes(directory) in ({}, written.get("journals")):
        return written
    plan = directory.plan()
    if plan is None:
        raise InputNotFoundError(
            f"no record in {str(directory.path)!r}", remedy="name a directory that `km3gpu run` wrote"
        )
    return build(directory, plan, directory.outputs())

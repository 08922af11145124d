"""What came of a file, and what it came from: questions to the catalogue of runs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from km3gpu.chunk import file_digest
from km3gpu.errors import ConfigError
from km3gpu.extras import resolve_path
from km3gpu.io.filebytes import is_url
from km3gpu.pipeline.catalogue import Catalogue, located
from km3gpu.pipeline.rundir import RunDirectory

__all__ = ["Found", "find"]

_DIGEST = re.compile(r"(?:(sha256|mark):)?([0-9a-f]{8,64})")
_BATCH = 500  # SQLite takes some thousand values in one question at most


@dataclass(frozen=True)
class Found:
    """A run that used or made a file, or something that came of it.

    Attributes
    ----------
    level : int
        0: the file itself; 1: an output of such a run; -1: an input of the run
        that made it; and so on.
    role : str
        What the run did with the file: ``"data"``, ``"calibration"`` (used) or
        ``"output"`` (made).
    path, digest : str
        The file by which the run was found.
    match : str
        ``"content"``: the same bytes; ``"path"``: the same place; ``"path, other
        content"``: the same place, but the file that lies there now is another;
        ``"name"``: only the name of the file is the same.
    directory, plan, status, code : str
        The run.
    started : float or None
        Seconds since 1970.
    outputs : tuple of str
        What it made.
    gone : bool
        Its directory is not there any more.
    """

    level: int
    role: str
    path: str
    digest: str
    match: str
    directory: str
    plan: str
    status: str
    code: str
    started: float | None
    outputs: tuple[str, ...]
    gone: bool


def find(catalogue: Catalogue, target: str, role: str | None = None, *, direct: bool = False) -> list[Found]:
    """Find the runs that used or made a file, and those that go on from there.

    Parameters
    ----------
    catalogue : Catalogue
    target : str
        A file, by its content and by its path; one that is gone by its path, or
        by its name alone; or a digest or the beginning of one.
    role : str, optional
        ``"data"`` or ``"calibration"``: runs that used it, and all that came of
        their outputs; ``"output"``: the run that made it, and those that made
        its inputs; None: all that used or made it, and all that came of it.
    direct : bool
        Only the runs that used or made the file itself.

    Returns
    -------
    list of Found
        By level, then by time.

    Raises
    ------
    ConfigError
        The target is a directory.
    """
    files = _files(catalogue, target)
    wanted: tuple[str, ...] = ("data", "calibration", "output") if role is None else (role,)
    back = role == "output"
    seen: set[int] = set()
    found: list[Found] = []
    level = 0
    while files:
        runs: dict[int, tuple[str, int]] = {}
        for run, what, file in _uses(catalogue, files, wanted):
            if run not in seen:
                runs.setdefault(run, (what, file))
        seen.update(runs)
        found += _told(catalogue, level, runs, files)
        if direct:
            break
        # the next generation: what these runs made (or, on the way back, what they used)
        files = _next(catalogue, runs, back)
        wanted = ("output",) if back else ("data", "calibration")
        level += -1 if back else 1
    return found


def _files(catalogue: Catalogue, target: str) -> dict[int, str]:
    """Give the files of the catalogue that a target means, and why."""
    name = resolve_path(target)
    path = located(name)
    there = not is_url(name) and Path(path).exists()
    if there and Path(path).is_dir():
        raise ConfigError(f"{target!r} is a directory", remedy="name a file, or a digest")
    as_digest = _DIGEST.fullmatch(target)
    if as_digest and not there:
        kind, digits = as_digest.groups()
        kinds = [kind] if kind else ["sha256", "mark"]
        rows = [r for k in kinds for r in catalogue.rows(_LIKE, (f"{k}:{digits}%",))]
        return dict.fromkeys((i for (i,) in rows), "content")
    digest = file_digest(path) if there else None
    files = {i: "content" for (i,) in catalogue.rows("SELECT id FROM files WHERE digest = ?", (digest,))}
    for i, known in catalogue.rows("SELECT id, digest FROM files WHERE path = ?", (path,)):
        other = there and known.startswith("sha256:") and known != digest
        files.setdefault(i, "path, other content" if other else "path")
    if not files and not there and "/" not in target:
        escaped = re.sub(r"([%_\\])", r"\\\1", target)
        question = "SELECT id FROM files WHERE path LIKE ? ESCAPE '\\'"
        files = {i: "name" for (i,) in catalogue.rows(question, (f"%/{escaped}",))}
    return files


_LIKE = "SELECT id FROM files WHERE digest LIKE ?"


def _asked(catalogue: Catalogue, question: str, keys: Iterable[int]) -> list[tuple[Any, ...]]:
    """Ask for many keys, some hundred at a time; ``{}`` in the question takes their places."""
    keys = list(keys)
    rows = []
    for start in range(0, len(keys), _BATCH):
        some = keys[start : start + _BATCH]
        rows += catalogue.rows(question.format(", ".join("?" * len(some))), some)
    return rows


def _uses(catalogue: Catalogue, files: Iterable[int], roles: Iterable[Any]) -> list[tuple[int, str, int]]:
    rows = _asked(catalogue, "SELECT run, role, file FROM uses WHERE file IN ({})", files)
    return [(run, role, file) for run, role, file in rows if role in roles]


def _next(catalogue: Catalogue, runs: Iterable[int], back: bool) -> dict[int, str]:
    """Give the files through which runs go on: the same bytes under any name, or the same place."""
    role = "<> 'output'" if back else "= 'output'"
    rows = _asked(
        catalogue,
        f"SELECT f.digest, f.path FROM uses JOIN files f ON f.id = file WHERE role {role} AND run IN ({{}})",
        runs,
    )
    files: dict[int, str] = {}
    for digest, path in rows:
        # a file known by its mark only, on either side, is the same where its path is
        question = (
            "SELECT id, digest FROM files WHERE digest = ? OR (path = ? AND (digest LIKE 'mark:%' OR ?))"
        )
        for i, known in catalogue.rows(question, (digest, path, digest.startswith("mark:"))):
            files.setdefault(i, "content" if known == digest else "path")
    return files


def _status(directory: str, status: str) -> str:
    """Say how a run stands: one that was entered as running, and does not, was killed."""
    if status == "running" and Path(directory).is_dir() and not RunDirectory(Path(directory)).running():
        return "killed"
    return status


def _told(
    catalogue: Catalogue, level: int, runs: dict[int, tuple[str, int]], files: dict[int, str]
) -> list[Found]:
    outputs: dict[int, list[str]] = {}
    question = (
        "SELECT run, path FROM uses JOIN files f ON f.id = file WHERE role = 'output' AND run IN ({})"
        " ORDER BY path"
    )
    for run, path in _asked(catalogue, question, runs):
        outputs.setdefault(run, []).append(path)
    names = {
        i: (path, digest)
        for i, path, digest in _asked(
            catalogue, "SELECT id, path, digest FROM files WHERE id IN ({})", {f for _, f in runs.values()}
        )
    }
    made = []
    question = "SELECT id, directory, plan, status, code, started FROM runs WHERE id IN ({})"
    for run, directory, plan, status, code, started in _asked(catalogue, question, runs):
        role, file = runs[run]
        path, digest = names[file]
        made.append(
            Found(
                level,
                role,
                path,
                digest,
                files[file],
                directory,
                plan,
                _status(directory, status),
                code,
                started,
                tuple(outputs.get(run, ())),
                not Path(directory).exists(),
            )
        )
    return sorted(made, key=lambda f: (f.started or 0.0, f.directory))

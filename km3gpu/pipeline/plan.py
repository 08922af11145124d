"""The plan of a run: its inputs by digest and its chunks in order, in a file that a person can read.

A plan knows the id of every chunk before a byte of it is read, so it knows the
names of all parts, and a run that goes on with a plan knows what is done.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from km3gpu.chunk import Origin
from km3gpu.errors import FormatError, InputNotFoundError, SourceChangedError
from km3gpu.io.filebytes import file_mark, is_url
from km3gpu.pipeline.digests import digest_of

__all__ = ["Input", "Plan", "PlannedChunk", "check_input", "identify"]

VERSION = 1
_CHECK = ',\n "check": '


@dataclass(frozen=True)
class Input:
    """A file that the run uses.

    Attributes
    ----------
    path : str
    role : str
        ``"data"`` or ``"calibration"``.
    digest : str
        ``"sha256:..."`` of its bytes, or ``"mark:..."`` (see `identify`).
    size, mtime_ns : int
        What the file system said when the digest was taken.
    uuid, kind, tree : str
        Of a data file.
    n_entries : int
        Of its tree.
    meta : tuple
        What the Jpp applications that made a data file say of themselves.
    bytes : int
        Size in memory of the columns to read.
    label : str
        Of the dataset that a data file is of.
    files : tuple
        What tables of calibrations gave for a data file (see
        `km3gpu.pipeline.variants.Files`).
    history : tuple of str
        Fingerprints of the steps of a data file, where they are not those of
        the plan.
    """

    path: str
    role: str
    digest: str
    size: int
    mtime_ns: int
    uuid: str = ""
    kind: str = ""
    tree: str = ""
    n_entries: int = 0
    meta: tuple[Any, ...] = ()
    bytes: int = 0
    label: str = ""
    files: tuple[Any, ...] = ()
    history: tuple[str, ...] = ()


@dataclass(frozen=True)
class PlannedChunk:
    """A chunk that is to be made: its id and where its rows come from."""

    id: str
    origin: Origin


@dataclass(frozen=True)
class Plan:
    """What to do with which chunk, in order.

    Attributes
    ----------
    code : str
        Version of the package's code.
    recipe : dict
        Source, stages and sinks as plain values.
    history : tuple of str
        Fingerprints of the stages.
    sinks : tuple of str
        Short digests of the sinks' configurations.
    inputs : tuple of Input
        Data files in order, then the files of the calibration.
    chunks : tuple of PlannedChunk
        In the order of the output.
    """

    code: str
    recipe: Mapping[str, Any]
    history: tuple[str, ...]
    sinks: tuple[str, ...]
    inputs: tuple[Input, ...]
    chunks: tuple[PlannedChunk, ...]

    @property
    def id(self) -> str:
        """Identity of the plan: 16 hexadecimal digits over its chunks and sinks."""
        names = [f"{s['name']}:{s['format']}" for s in self.recipe["sinks"]]
        text = json.dumps([[c.id for c in self.chunks], list(self.sinks), names])
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def n_events(self) -> int:
        """Events of all chunks."""
        return sum(c.origin.n_entries for c in self.chunks)

    def chunk_bytes(self, chunk: PlannedChunk) -> int:
        """Estimate the size in memory of a chunk as it is read."""
        i = self.data()[chunk.origin.path]
        return i.bytes * chunk.origin.n_entries // max(i.n_entries, 1)

    def history_of(self, source: Input) -> tuple[str, ...]:
        """Give the fingerprints of the steps of a data file."""
        return source.history or self.history

    def data(self) -> dict[str, Input]:
        """Give the data files by path."""
        return {i.path: i for i in self.inputs if i.role == "data"}

    # -- as a file -----------------------------------------------------------
    def dumps(self) -> str:
        """Give the plan as JSON, with a line for each input and each chunk, and a digest of all of it."""
        number = {i.path: n for n, i in enumerate(self.inputs)}
        columns = sorted({c.origin.columns for c in self.chunks})
        head = {
            "format": "km3gpu plan",
            "version": VERSION,
            "id": self.id,
            "code": self.code,
            "n_events": self.n_events,
            "recipe": self.recipe,
            "history": self.history,
            "sinks": self.sinks,
            "columns": columns,
        }
        lines = [f" {json.dumps(k)}: {json.dumps(v)}" for k, v in head.items()]
        rows = ",\n  ".join(json.dumps(asdict(i)) for i in self.inputs)
        lines.append(f' "inputs": [\n  {rows}\n ]')
        chunks = [
            [c.id, number[o.path], o.start, o.stop, columns.index(o.columns)]
            for c, o in ((c, c.origin) for c in self.chunks)
        ]
        rows = ",\n  ".join(json.dumps(c) for c in chunks)
        lines.append(f' "chunks: id, input, start, stop, columns": [\n  {rows}\n ]')
        body = ",\n".join(lines)
        return f'{{\n{body}{_CHECK}"{_digest(body)}"\n}}\n'

    @classmethod
    def loads(cls, text: str, where: str) -> Plan:
        """Read what `dumps` wrote.

        Raises
        ------
        FormatError
            It is no plan, or not as it was written.
        """
        remedy = "run the plan file again, into another directory"
        try:
            data = json.loads(text)
            body = text.removeprefix("{\n").rpartition(_CHECK)[0]
            if data.get("check", _digest(body)) != _digest(body):
                raise FormatError("the plan is not as it was written", where=where, remedy=remedy)
            if data["format"] != "km3gpu plan" or data["version"] != VERSION:
                raise FormatError(f"a plan of version {data['version']}", where=where, remedy=remedy)
            inputs = tuple(_input(i) for i in data["inputs"])
            chunks = []
            for identity, n, start, stop, c in data["chunks: id, input, start, stop, columns"]:
                i = inputs[n]
                columns = tuple(data["columns"][c])
                origin = Origin(i.path, i.kind, i.tree, start, stop, i.uuid, i.digest, columns)
                chunks.append(PlannedChunk(identity, origin))
            return cls(
                data["code"],
                data["recipe"],
                tuple(data["history"]),
                tuple(data["sinks"]),
                inputs,
                tuple(chunks),
            )
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            if isinstance(error, FormatError):
                raise
            raise FormatError("no plan of km3gpu", where=where, remedy=remedy) from error

    def check_sources(self) -> None:
        """Check that every input is still the file that the plan was made for.

        Raises
        ------
        SourceChangedError
            One differs in its bytes.
        InputNotFoundError
            One is gone.
        """
        for i in self.inputs:
            check_input(i)


def _digest(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _input(data: Mapping[str, Any]) -> Input:
    """Make the input that `Plan.dumps` described; an older plan knows less of it."""
    files = tuple(tuple(f) for f in data.get("files", ()))
    lists = {"meta": tuple(data["meta"]), "history": tuple(data.get("history", ())), "files": files}
    return Input(**{**data, **lists})


def identify(path: str, how: str = "content") -> tuple[str, int, int]:
    """Say what a file is: its digest, size and time of writing (ns, 0 for a URL).

    Parameters
    ----------
    path : str
        A file or URL.
    how : str
        ``"content"``: the digest is that of the bytes; ``"mark"``: of name, size
        and time, which reads nothing.  A URL is always taken by its mark.
    """
    _, size, written = mark = file_mark(path)
    if how == "content" and not is_url(path):
        return digest_of(path), size, written
    digest = "mark:" + hashlib.sha256(json.dumps(mark).encode()).hexdigest()
    return digest, int(size or 0), written if isinstance(written, int) else 0


def check_input(known: Input, *, verify: bool = False) -> None:
    """Check that an input is still what the plan was made for: by its mark, and its bytes where that differs.

    Parameters
    ----------
    known : Input
    verify : bool
        Read all its bytes again in any case.

    Raises
    ------
    SourceChangedError
        It differs.
    InputNotFoundError
        It is gone.
    """
    if not is_url(known.path) and not Path(known.path).exists():
        raise InputNotFoundError(
            f"input {known.path!r} is gone",
            remedy="bring it back, or give `km3gpu run` its new place: what is done is kept",
        ) from None
    _, size, written = file_mark(known.path)
    by_content = known.digest.startswith("sha256:")
    if verify and by_content:
        with open(known.path, "rb") as file:  # not from a cache: the mark may be that of the old bytes
            digest = "sha256:" + hashlib.file_digest(file, "sha256").hexdigest()
    elif by_content and (size, written) == (known.size, known.mtime_ns):
        return
    else:
        digest = identify(known.path, "content" if by_content else "mark")[0]
    if digest != known.digest:
        raise SourceChangedError(
            f"input {known.path!r} has changed since the plan was made",
            remedy="run into another directory, which plans again",
        )

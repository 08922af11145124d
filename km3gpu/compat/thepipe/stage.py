"""A module of thepipe as a stage of a plan, event by event over a chunk.

::

    [[stage]]
    use = "thepipe:mymodules.HitCounter"     # or "thepipe:mymodules.a_function"
    threshold = 30                           # parameters of the module
    detector = "det.detx"
    only_if = "Hits"                         # as for Pipeline.attach
    km3gpu = { columns = ["hits/*"], makes = ["events/n_hits: int64"], files = ["detector"] }

A module is made anew for each chunk (so that a chunk is the same whatever was
made before it), sees its events in order, and is finished at its end, also where
it raised.  What a blob holds is told in `km3gpu.compat.thepipe.layout`.  What
comes back:

- ``process`` gave None: the event is dropped from all tables (not with
  ``blob_keys``, as in thepipe);
- arrays changed in place, or others under the same keys: they are the tables of
  the next stage, with the dtypes that their columns had; a key that is gone
  leaves no rows;
- ``makes`` names new columns and tables, ``table/column: dtype``.  A column of
  the events is taken from ``blob["column"]``, else from ``EventInfo``.  Other new
  keys are left behind, and counted as ``left_KEY``;
- numbers that ``finish`` gives, alone or in a mapping, are counted over all chunks.

``every = n`` counts entries of the file, so that it does not depend on the size
of the chunks.  Services do not go from stage to stage, and a pump or sink is no
stage: the plan reads and writes.
"""

from __future__ import annotations

import hashlib
import importlib
import inspect
import json
import numbers
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

from km3gpu import backend
from km3gpu.chunk import Chunk, file_digest
from km3gpu.compat.thepipe.attach import make_module
from km3gpu.compat.thepipe.blob import Blob
from km3gpu.compat.thepipe.events import Events, parse_made
from km3gpu.compat.thepipe.layout import key_of
from km3gpu.compat.thepipe.services import ServiceManager
from km3gpu.errors import ConfigError
from km3gpu.stages.stage import Columns, Result, Stage

__all__ = ["ModuleStage", "from_plan"]

PREFIX = "thepipe:"

_POSITION = ("pos_x", "pos_y", "pos_z", "dir_x", "dir_y", "dir_z")
# what a module sees where the plan names no columns: those that km3pipe's tables have
_USUAL: Mapping[str, tuple[str, ...]] = {
    "events": (
        *("id", "run_id", "det_id", "frame_index", "t_sec", "t_ns", "mc_id", "mc_run_id", "mc_t", "w"),
        *("trigger_counter", "trigger_mask", "overlays"),
    ),
    "hits": ("dom_id", "channel_id", "tdc", "t", "tot", "trig", *_POSITION),
    "mc_hits": ("a", "origin", "pmt_id", "t"),
    "tracks": ("id", "t", "E", "len", "lik", "rec_type", *_POSITION),
    "mc_tracks": ("id", "t", "E", "len", "type", *_POSITION),
}
_USUAL_DAQ: Mapping[str, tuple[str, ...]] = {
    "events": (*_USUAL["events"], "time_ns"),
    "triggered_hits": ("dom_id", "channel_id", "tdc", "t", "tot", "trig", *_POSITION),
}
_OWN = ("columns", "makes", "files")


@dataclass(frozen=True)
class ModuleStage(Stage):
    """A module of thepipe, or a function from blob to blob, as a stage.

    Attributes
    ----------
    module : str
        ``"package.module.Class"`` or ``"package.module.function"``.
    parameters : str
        Of the module, as a JSON object.
    columns : tuple of str
        What to read for it, ``"table/column"``; by default what km3pipe's
        tables have, of the keys in ``blob_keys`` where that is given.  Columns
        of lists are in the blob only where they are named.
    makes : tuple of str
        New columns, ``"table/column: dtype"``.
    files : tuple of str
        Parameters that are paths: they are recorded by digest.
    """

    name: ClassVar[str] = ""

    module: str
    parameters: str = "{}"
    columns: tuple[str, ...] = ()
    makes: tuple[str, ...] = ()
    files: tuple[str, ...] = field(default=())

    def __post_init__(self) -> None:
        parse_made(self.makes)
        for text in self.columns:
            table, slash, column = text.partition("/")
            if not (table and slash and column) or column == "*":
                raise ConfigError(f"columns: {text!r}", remedy="write 'hits/tot'")
        missing = [f for f in self.files if not isinstance(self._given().get(f), str)]
        if missing:
            raise ConfigError(f"files names {missing[0]!r}, which is no parameter that is a path")

    def _given(self) -> dict[str, Any]:
        given: dict[str, Any] = json.loads(self.parameters)
        return given

    def inputs(self) -> tuple[str, ...]:
        """Give the files that parameters name."""
        return tuple(self._given()[f] for f in self.files)

    def reads(self, kind: str) -> Columns:
        """Give the columns that the module may look at."""
        if self.columns:
            wanted: dict[str, tuple[str, ...]] = {}
            for text in self.columns:
                table, _, column = text.partition("/")
                wanted[table] = (*wanted.get(table, ()), column)
            return wanted
        keys = self._given().get("blob_keys")
        usual = _USUAL if kind == "offline" else {**_USUAL, **_USUAL_DAQ}
        seen = {t: c for t, c in usual.items() if keys is None or key_of(t, kind) in keys}
        if "hits" in seen and "triggered_hits" in usual:  # they say which of the hits are triggered
            seen["triggered_hits"] = usual["triggered_hits"]
        return seen

    def writes(self, kind: str) -> Columns:
        """Give the columns that the module makes."""
        return {t: tuple(c) for t, c in parse_made(self.makes).items()}

    def fingerprint(self) -> str:
        """Describe the stage, with the digests of its files and of the source of the module."""
        given = self._given()
        given |= {f: file_digest(given[f]) for f in self.files}
        config = {
            "stage": PREFIX + self.module,
            "parameters": given,
            "columns": self.columns,
            "makes": self.makes,
            "source": _source_digest(_imported(self.module)),
        }
        return json.dumps(config, sort_keys=True, separators=(",", ":"))

    def to_plan(self) -> dict[str, Any]:
        """Describe the stage as the table of a plan file would (see `from_plan`)."""
        own = {k: list(getattr(self, k)) for k in _OWN if getattr(self, k)}
        return {"use": PREFIX + self.module, **self._given(), **({"km3gpu": own} if own else {})}

    def apply(self, chunk: Chunk) -> Result:
        """Send every event through the module.

        Raises
        ------
        ConfigError
            The module needs a service, or is a pump or a sink.
        FormatError
            What it made is not what ``makes`` says.
        """
        chunk = chunk.to(backend.select("cpu"))
        given = self._given()
        before = {id(o) for o in _outputs()}
        module = make_module(_imported(self.module), None, given, {}, timeit=False)
        if written := [o for o in _outputs() if id(o) not in before]:
            getattr(module, "pre_finish", bool)()
            what = f"{self.module} writes {written[0]['url']!r}, anew for each chunk: a sink is no stage"
            raise ConfigError(what, remedy="write a [[sink]] table")
        services = ServiceManager()
        for name, service in getattr(module, "provided_services", {}).items():
            services.register(name, service)
        missing = services.get_missing_services(getattr(module, "required_services", {}))
        if missing:
            raise ConfigError(f"{self.module} needs the service {missing[0]!r}, which a plan does not have")
        module.services = services
        summary: dict[str, float] = {}
        try:
            if hasattr(module, "prepare"):
                module.prepare()
            events = Events(chunk, module.blob_keys, self.columns)
            blobs = [_processed(module, events.blob(i), chunk.source.start + i) for i in range(len(events))]
        except StopIteration:
            what = f"{self.module} raised StopIteration: a pump is no stage"
            raise ConfigError(what, remedy="name the files in [source]") from None
        finally:
            if hasattr(module, "pre_finish"):
                summary = _numbers(module.pre_finish())
        tables, left = events.tables(blobs, parse_made(self.makes))
        dropped = sum(b is None for b in blobs)
        return tables, {"dropped": dropped, **summary, **{f"left_{k}": n for k, n in left.items()}}

    def __call__(self, chunk: Chunk) -> Chunk:
        """Give the chunk after this stage; what it counted is under the name of the module."""
        tables, counters = self.apply(chunk)
        name = self.module.rpartition(".")[2]
        return chunk.evolve(self.fingerprint(), tables, {f"{name}/{k}": v for k, v in counters.items()})


def from_plan(values: Mapping[str, Any], folder: Path | None, locate: Callable[[str], str]) -> ModuleStage:
    """Make the stage that a ``[[stage]]`` table describes.

    Parameters
    ----------
    values : mapping
        Of the table; ``use`` begins with ``"thepipe:"``.
    folder : Path, optional
        Of the plan file; modules may lie there.
    locate : callable
        Makes a path of the plan file an absolute one.

    Raises
    ------
    ConfigError
        There is no such module, or an option is not valid.
    """
    if folder is not None and str(folder) not in sys.path:
        sys.path.append(str(folder))
    module = str(values["use"]).removeprefix(PREFIX)
    _imported(module)
    own = values.get("km3gpu", {})
    if not isinstance(own, Mapping) or set(own) - set(_OWN):
        raise ConfigError(f"km3gpu = {own!r}", remedy=f"write a table of {', '.join(_OWN)}")
    given = {k: v for k, v in values.items() if k not in ("use", "km3gpu")}
    files = tuple(own.get("files", ()))
    given |= {f: locate(given[f]) for f in files if isinstance(given.get(f), str)}
    try:
        text = json.dumps(given, sort_keys=True)
    except TypeError as error:
        raise ConfigError(f"a parameter of {module} is no plain value: {error}") from error
    return ModuleStage(module, text, tuple(own.get("columns", ())), tuple(own.get("makes", ())), files)


def _processed(module: Any, blob: Blob, entry: int) -> Mapping[str, Any] | None:
    """Send one blob through a module, as a pipeline does."""
    if module.only_if and not module.only_if.issubset(blob):
        return blob
    if (entry + 1) % module.every:
        return blob
    try:
        got = module(blob)
    except Exception as error:
        error.add_note(f"in entry {entry}")
        raise
    if module.blob_keys is None:
        return got  # type: ignore[no-any-return]
    blob.update(got or {})
    return blob


def _outputs() -> list[dict[str, Any]]:
    """Give what modules of this process have said that they write, be they of thepipe or of ours."""
    found = {id(p): p for p in (sys.modules[__package__ or ""], sys.modules.get("thepipe")) if p}
    return [o for p in found.values() for o in p.Provenance().current_activity.provenance["output"]]


def _numbers(result: Any) -> dict[str, float]:
    if isinstance(result, Mapping):
        return {str(k): float(v) for k, v in result.items() if isinstance(v, numbers.Real)}
    return {"finish": float(result)} if isinstance(result, numbers.Real) else {}


def _imported(name: str) -> Any:
    module, _, attribute = name.rpartition(".")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError, ValueError) as error:
        remedy = "write use = 'thepipe:package.module.Class'"
        raise ConfigError(f"cannot import the module {name!r}: {error}", remedy=remedy) from error
    if not callable(found):
        raise ConfigError(f"{name!r} is neither a class of modules nor a function")
    return found


def _source_digest(factory: Any) -> str:
    """Digest the source files of a function, or of a class and those it is derived from."""
    own = sys.modules[__package__ or ""].__name__
    digest = hashlib.sha256()
    for kind in inspect.getmro(factory) if inspect.isclass(factory) else (factory,):
        if kind is object or str(kind.__module__).startswith(own):
            continue
        file = inspect.getsourcefile(kind)
        digest.update(Path(file).read_bytes() if file and Path(file).is_file() else repr(kind).encode())
    return "sha256:" + digest.hexdigest()

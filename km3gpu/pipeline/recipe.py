"""A recipe: what the user asks for, read from a plan file and checked before anything runs.

::

    [source]
    files = ["run*.root"]           # the command line may name others
    chunk = "64 MB"                 # or a number of events

    [[stage]]
    use = "calibrate"               # or "package.module:Class"
    detector = "det.datx"

    [[sink]]
    format = "parquet"

    [run]
    workers = 4

Paths are relative to the plan file.  Names starting with ``testdata:`` are files
of the package km3net-testdata.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from km3gpu import config, extras
from km3gpu.errors import ConfigError, InputNotFoundError
from km3gpu.io.dataset import parse_size
from km3gpu.io.filebytes import file_mark
from km3gpu.io.sink import Sink
from km3gpu.pipeline import steps
from km3gpu.pipeline.datasets import Dataset, read_datasets, step
from km3gpu.pipeline.settings import RunSettings, SourceSettings
from km3gpu.pipeline.sinks import SINKS
from km3gpu.pipeline.tags import check_tags, part_word, tags_of
from km3gpu.pipeline.variants import Files, varied
from km3gpu.stages.deduplicate import Deduplicate
from km3gpu.stages.stage import Stage
from km3gpu.tomlfile import Document, Section, read_toml

__all__ = ["Recipe", "read_recipe"]


@dataclass(frozen=True)
class Recipe:
    """What the user asks for.

    Attributes
    ----------
    source : SourceSettings
    stages : tuple of Stage
        In the order they are applied.
    sinks : tuple of Sink
        Every chunk goes to all of them.
    run : RunSettings
    origins : mapping of str to str
        Where each value came from, by ``"run.workers"``, ``"stage.0.window"``.
    path : str
        The plan file, or ``""``.
    datasets : tuple of Dataset
        Inputs with labels, instead of the source's files.
    """

    source: SourceSettings = field(default_factory=SourceSettings)
    stages: tuple[Stage, ...] = ()
    sinks: tuple[Sink, ...] = field(default_factory=lambda: (SINKS["parquet"](),))
    run: RunSettings = field(default_factory=RunSettings)
    origins: Mapping[str, str] = field(default_factory=dict)
    path: str = ""
    datasets: tuple[Dataset, ...] = ()

    def __post_init__(self) -> None:
        where = self.path or None
        if not self.sinks:
            raise ConfigError("no sink", where=where, remedy="add [[sink]] with format = 'parquet'")
        for sink in self.sinks:
            check_tags(sink.name, bool(self.datasets), where)
        if self.datasets and self.source.files:
            raise ConfigError("files beside datasets", where=where, remedy="name all files in [[dataset]]")
        names = [part_word(s.name) + s.suffix for s in self.sinks]
        for name in names:
            if names.count(name) > 1:
                raise ConfigError(f"two sinks write {name!r}", where=where, remedy="give one another name")
            if name.startswith(".") or Path(name).name != name:
                raise ConfigError(f"{name!r} is no name for a file", where=where, remedy="take a plain word")
        once = any(isinstance(s, Deduplicate) for s in self.stages)
        if once and any(tags_of(s.name) for s in self.sinks):
            raise ConfigError(
                "duplicates in different outputs are not found",
                where=where,
                remedy="deduplicate in one run into one output, and split that in another",
            )
        if once and any(s.format == "histogram" for s in self.sinks):
            raise ConfigError(
                "a histogram counts chunk by chunk, and cannot leave out duplicates of another chunk",
                where=where,
                remedy="deduplicate in one run, and count what it wrote in another",
            )

    @property
    def history(self) -> tuple[str, ...]:
        """The fingerprints of the stages, as chunks carry them."""
        return tuple(steps.fingerprint(s) for s in self.stages)

    def history_of(self, label: str, files: Files) -> tuple[str, ...]:
        """Give the fingerprints of the steps of an input, where they are its own; else nothing."""
        if not label and not files:
            return ()
        own = tuple(steps.fingerprint(s) for s in varied(self.stages, files))
        return (step(label), *own) if label else own

    def to_json(self) -> dict[str, Any]:
        """Describe source, stages and sinks as plain values, enough for `from_json`."""
        return {
            "folder": str(Path(self.path).resolve().parent) if self.path else "",
            "source": {**dataclasses.asdict(self.source), "files": []},
            "stages": [steps.stage_to_json(s) for s in self.stages],
            "sinks": [steps.sink_to_json(s) for s in self.sinks],
            "datasets": [{"label": d.label} for d in self.datasets],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any], where: str) -> Recipe:
        """Make the recipe that `to_json` described.

        Raises
        ------
        ConfigError
            A stage holds an object that was only in the memory of the run.
        """
        document = Document(where, {}, {})
        folder = Path(data["folder"]) if data["folder"] else None
        return cls(
            SourceSettings(**{k: steps.tuples(v) for k, v in data["source"].items()}),
            tuple(
                steps.make_stage(Section(document, ("stages", i), s), folder)
                for i, s in enumerate(data["stages"])
            ),
            tuple(
                steps.make_sink(Section(document, ("sinks", i), s))[0] for i, s in enumerate(data["sinks"])
            ),
            path=where,
            datasets=tuple(Dataset(d["label"]) for d in data.get("datasets", ())),
        )


def read_recipe(
    path: str | os.PathLike[str],
    *,
    environment: Mapping[str, str] | None = None,
    source: Mapping[str, Any] | None = None,
    run: Mapping[str, Any] | None = None,
) -> Recipe:
    """Read and check a plan file.

    Parameters
    ----------
    path : str or path
        TOML file.
    environment : mapping, optional
        For ``KM3GPU_*``; that of the process by default.
    source, run : mapping, optional
        Values that the caller sets, stronger than file and environment.

    Returns
    -------
    Recipe

    Raises
    ------
    ConfigError
        Unknown table, key, stage, parameter or format; wrong value.  The
        message names file, line and the closest name.
    InputNotFoundError
        No such plan file.
    """
    name = extras.resolve_path(os.fspath(path))
    document = read_toml(name)
    config.check_keys(document.section(), ("source", "dataset", "stage", "sink", "run"))
    folder = Path(name).resolve().parent
    origins: dict[str, str] = {}

    reading = config.resolve(SourceSettings, section=document.section("source"), call=source)
    settings = reading.value
    if reading.origins["files"] != "call":
        settings = dataclasses.replace(settings, files=tuple(steps.beside(folder, f) for f in settings.files))
    environment = os.environ if environment is None else environment
    running = config.resolve(RunSettings, section=document.section("run"), environment=environment, call=run)
    if (named := running.value.catalogue) and running.origins["catalogue"].startswith(name):
        place = named if named in ("user", "none") else steps.beside(folder, named)
        value = dataclasses.replace(running.value, catalogue=place)
        running = dataclasses.replace(running, value=value)
    origins |= {f"source.{k}": v for k, v in reading.origins.items()}
    origins |= {f"run.{k}": v for k, v in running.origins.items()}

    datasets, labelled = read_datasets(document, folder)
    origins |= labelled
    stages: list[Stage] = []
    for i, section in enumerate(_tables(document, "stage")):
        stages.append(steps.make_stage(section, folder))
        origins[f"stage.{i}.use"] = section.where("use")
        for key in steps.stage_to_json(stages[-1]):  # as a plan file would have them
            origins[f"stage.{i}.{key}"] = section.where(key) if key in section.values else "default"
        _check_inputs(stages[-1], section)
    if isinstance(settings.chunk, str) and settings.chunk != "auto":
        _check_size(settings.chunk, reading.origins["chunk"])
    sinks: list[Sink] = []
    for i, section in enumerate(_tables(document, "sink")):
        sink, where = steps.make_sink(section)
        sinks.append(sink)
        origins[f"sink.{i}.format"] = section.where("format")
        origins |= {f"sink.{i}.{k}": v for k, v in where.items()}
    return Recipe(settings, tuple(stages), tuple(sinks), running.value, origins, name, datasets)


def _check_inputs(stage: Stage, section: Section) -> None:
    """See that the files of a stage are there, and name the line where one is not."""
    for path in stage.inputs():
        try:
            file_mark(path)
        except InputNotFoundError as error:
            named = [k for k, v in section.values.items() if Path(path).name in repr(v)]
            error.where = error.where or section.where(named[0] if named else "use")
            raise


def _check_size(text: str, origin: str) -> None:
    try:
        parse_size(text)
    except ConfigError as error:
        error.what = f"chunk = {error.what}"
        error.where = "argument 'chunk'" if origin == "call" else origin
        raise


def _tables(document: Document, name: str) -> list[Section]:
    found = document.data.get(name, [])
    if not isinstance(found, list) or not all(isinstance(t, dict) for t in found):
        raise ConfigError(
            f"{name!r} must be an array of tables", where=document.where(name), remedy=f"write [[{name}]]"
        )
    return [document.section(name, i) for i in range(len(found))]

"""Datasets of a plan: inputs under a label, which their events carry and outputs can be named after.

::

    [[dataset]]
    label = "numu"
    files = ["mc/*.numuCC.*.root"]

    [[dataset]]
    label = "mupage"
    files = ["mc/*.mupage.*.root"]

    [[sink]]
    format = "parquet"
    name = "{label}"
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from km3gpu import config
from km3gpu.errors import ConfigError
from km3gpu.pipeline import steps
from km3gpu.tomlfile import Document

__all__ = ["Dataset", "named", "read_datasets", "step"]

_LABEL = re.compile(r"[A-Za-z0-9_+-][A-Za-z0-9._+-]*")


@dataclass(frozen=True)
class Dataset:
    """Inputs under a label.

    Attributes
    ----------
    label : str
        Letters, digits, ``. _ + -``: it may become the name of a file.
    files : tuple of str
        Paths, patterns or ``testdata:`` names.
    """

    label: str = ""
    files: tuple[str, ...] = ()


def read_datasets(document: Document, folder: Path) -> tuple[tuple[Dataset, ...], dict[str, str]]:
    """Read the tables ``[[dataset]]`` of a plan.

    Returns
    -------
    tuple of Dataset
    dict of str to str
        Where each value came from.

    Raises
    ------
    ConfigError
        An unknown key, a label twice, none, or one that is no word; no files.
    """
    found: dict[str, Dataset] = {}
    origins: dict[str, str] = {}
    tables = document.data.get("dataset", [])
    if not isinstance(tables, list) or not all(isinstance(t, dict) for t in tables):
        raise ConfigError(
            "'dataset' must be an array of tables",
            where=document.where("dataset"),
            remedy="write [[dataset]]",
        )
    for i in range(len(tables)):
        section = document.section("dataset", i)
        got = config.resolve(Dataset, section=section)
        label, files = got.value.label, got.value.files
        if not _LABEL.fullmatch(label):
            raise ConfigError(
                f"{label!r} is no label" if label else "a dataset without a label",
                where=section.where("label"),
                remedy="take letters, digits and . _ + -, label = 'numu' say",
            )
        if label in found:
            raise ConfigError(
                f"two datasets {label!r}", where=section.where("label"), remedy="name one another"
            )
        if not files:
            raise ConfigError(
                f"dataset {label!r} has no files",
                where=section.where("files"),
                remedy="add files = ['*.root']",
            )
        found[label] = Dataset(label, tuple(steps.beside(folder, f) for f in files))
        origins |= {f"dataset.{i}.{k}": v for k, v in got.origins.items()}
    return tuple(found.values()), origins


def named(
    datasets: Sequence[Dataset], files: Sequence[str] | None, where: str | None
) -> list[tuple[str, str]]:
    """Give label and name of all that is to be read.

    Raises
    ------
    ConfigError
        Files are named beside datasets.
    """
    if not datasets:
        return [("", f) for f in files or ()]
    if files:
        raise ConfigError(
            "the plan has datasets, and files are named beside them",
            where=where,
            remedy="name all files in [[dataset]]",
        )
    return [(d.label, f) for d in datasets for f in d.files]


def step(label: str) -> str:
    """Give the fingerprint of putting a label on events, the first step of a labelled input."""
    return json.dumps({"stage": "label", "label": label}, sort_keys=True, separators=(",", ":"))

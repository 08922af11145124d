"""Tags in the names of outputs: ``{label}`` of the dataset, ``{file}`` of the input.

A sink of that name makes an output for each label, or each input; the parts are
the same, only what is put together differs.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import PurePosixPath

from km3gpu.errors import ConfigError, closest

__all__ = ["TAGS", "check_tags", "part_word", "tagged", "tags_of"]

TAGS = ("label", "file")
_TAG = re.compile(r"\{([^{}]*)\}")


def tags_of(name: str) -> list[str]:
    """Give the tags in the name of a sink."""
    return _TAG.findall(name)


def part_word(name: str) -> str:
    """Give the name of a sink as it stands in the names of parts, which are of no label yet."""
    return _TAG.sub(r"\1", name)


def check_tags(name: str, labels: bool, where: str | None) -> None:
    """Check the tags of a sink's name.

    Parameters
    ----------
    name : str
    labels : bool
        The plan has datasets with labels.
    where : str, optional
        The plan, for messages.

    Raises
    ------
    ConfigError
        An unknown tag, or one that nothing fills.
    """
    for tag in tags_of(name):
        if tag not in TAGS:
            names = ", ".join("{" + t + "}" for t in closest(tag, TAGS))
            raise ConfigError(f"unknown tag {{{tag}}} in {name!r}", where=where, remedy=f"there is: {names}")
        if tag == "label" and not labels:
            raise ConfigError(
                f"no label for {name!r}", where=where, remedy="give files as [[dataset]] with label and files"
            )


def tagged(name: str, inputs: Iterable[tuple[str, str]]) -> dict[str, set[str]]:
    """Fill the tags of a sink's name.

    Parameters
    ----------
    name : str
    inputs : iterable of (str, str)
        Path and label of each data file, in order.

    Returns
    -------
    dict of str to set of str
        By name of the output, without suffix: the paths of the inputs whose
        rows go there; a name without tags has them all.

    Raises
    ------
    ConfigError
        Two inputs of one name in different folders, where ``{file}`` should
        tell them apart.
    """
    found: dict[str, set[str]] = {}
    for path, label in inputs:
        values = {"label": label, "file": PurePosixPath(path).stem}
        filled = _TAG.sub(lambda m, values=values: values[m.group(1)], name)  # type: ignore[misc]
        found.setdefault(filled, set()).add(path)
    if "file" in tags_of(name):
        for filled, paths in found.items():
            if len(paths) > 1:
                raise ConfigError(
                    f"{len(paths)} inputs would go into one {filled!r}",
                    where=", ".join(sorted(paths)[:2]),
                    remedy="give them labels, and name the output '{label}-{file}'",
                )
    return found

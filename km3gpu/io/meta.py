"""What the applications that made a file wrote about themselves.

Every Jpp application adds an object to the folder ``META``: its version, its
command line, the machine and the time.  They are the provenance that a file
brings along.
"""

from __future__ import annotations

import json
from typing import Any

from km3gpu.io.rootfile import RootFile

__all__ = ["chain_of", "read_meta"]

_LIST = "JMeta"  # names an application; one per step of the chain
_NAMES = {"GIT": "git", "SVN": "git", "ROOT": "root"}


def read_meta(file: RootFile) -> list[dict[str, Any]]:
    """Read the META folder.

    Returns
    -------
    list of dict
        One per application, in the order in which they ran:
        ``application, git, root, namespace, command, system, time``, and
        whatever else it wrote.  ``git`` is the revision (that of Subversion in
        old files), ``time`` the ISO time at which this file was written, by
        the writer's clock.  Empty for a file without the folder.

    Raises
    ------
    FormatError
        An entry does not parse.
    """
    found = {}
    order: list[tuple[int, str]] = []
    for key in file.keys:
        if not key.path.startswith("META/") or key.class_name != "TNamed":
            continue
        name, text = file.parse(f"entry {key.path!r}", lambda key=key: file.cursor(key).named())  # type: ignore[misc]
        if name == _LIST:
            order.append((key.cycle, text.strip()))
            continue
        found[name] = {
            "application": name,
            "git": "",
            "root": "",
            "namespace": "",
            "command": "",
            "system": "",
            **_parse(text),
            "time": iso_time(key.datime),
        }
    # each application writes itself first and then copies what its input had
    names = [name for _, name in sorted(order, reverse=True) if name in found]
    return [found[n] for n in dict.fromkeys([*names, *found])]


def _parse(text: str) -> dict[str, str]:
    entry: dict[str, str] = {}
    last = ""
    for line in text.splitlines():
        name, sign, value = line.partition("=")
        name = name.strip()
        if sign and name.replace("_", "").isalnum():
            last = _NAMES.get(name, name)
            entry[last] = value.strip()
        elif last and line.strip():
            # a value of several lines
            entry[last] += "\n" + line.rstrip()
    return entry


def chain_of(record: str | bytes) -> list[dict[str, Any]]:
    """Give the steps that led to a file of ours, from the record that is embedded in it.

    Parameters
    ----------
    record : str or bytes
        Of a merged file, JSON; empty for a part, which has none.

    Returns
    -------
    list of dict
        What the applications that made its inputs wrote about themselves, each
        once, then an entry for the run of km3gpu, with ``plan``, and ``stages``
        and ``inputs`` (path, digest, UUID, tree) as JSON.  Empty for anything
        that is no such record.
    """
    try:
        found = json.loads(record)
        if found["format"] != "km3gpu provenance":
            return []
        inputs = found["inputs"]
        steps = [step for i in inputs for step in i["meta"]]
        keys = ("path", "role", "digest", "uuid", "kind", "tree", "n_entries")
        last = {
            "application": "km3gpu",
            "git": found["code"],
            "plan": found["plan"],
            "stages": json.dumps(found["stages"]),
            "inputs": json.dumps([{k: i[k] for k in keys} for i in inputs]),
        }
    except (ValueError, KeyError, TypeError):
        return []
    each = {json.dumps(step, sort_keys=True): step for step in steps}
    return [*each.values(), last]


def iso_time(datime: int) -> str:
    """Give ROOT's packed date and time (TDatime) as ISO 8601, the writer's local time."""
    second, minute, hour = datime & 63, datime >> 6 & 63, datime >> 12 & 31
    day, month, year = datime >> 17 & 31, datime >> 22 & 15, 1995 + (datime >> 26 & 63)
    return f"{year:04d}-{month:02d}-{day:02d}T{hour:02d}:{minute:02d}:{second:02d}"

"""Small ROOT files made for tests, and every shipped tree by name."""

from __future__ import annotations

from pathlib import Path

import awkward as ak
import uproot

from km3gpu.io.rootfile import RootFile
from km3gpu.io.roottree import Tree, read_tree
from tests.conftest import DATA

ROOT_FILES = sorted(p.relative_to(DATA).as_posix() for p in DATA.rglob("*.root"))


def open_tree(path: Path, name: str) -> Tree:
    """Open one tree with our own reader."""
    file = RootFile(str(path))
    key = file.find(name)
    assert key is not None
    return read_tree(file, key)


def tree_names(file: RootFile) -> list[str]:
    """Names of the trees of a file, each once."""
    return list(dict.fromkeys(k.path for k in file.keys if k.class_name in ("TTree", "TNtuple")))


def write_jagged(
    path: Path, lists: list[list[float]], step: int, compression: object, name: str = "T"
) -> None:
    """Write lists of numbers with uproot, `step` entries per basket."""
    with uproot.recreate(path, compression=compression) as f:
        f.mktree(name, {"x": "var * float64", "k": "var * int32", "n": "int64"})
        for start in range(0, len(lists), step):
            part = lists[start : start + step]
            x = (
                ak.values_astype(ak.Array(part), "float64")
                if sum(map(len, part))
                else ak.Array([[] for _ in part])
            )
            x = ak.values_astype(x, "float64")
            f[name].extend({"x": x, "k": ak.values_astype(x, "int32"), "n": ak.num(x)})

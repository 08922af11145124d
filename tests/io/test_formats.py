"""Every file of km3net-testdata: read, or refused in one line that says why."""

from __future__ import annotations

import pytest

import km3gpu
from km3gpu.cli.main import call
from km3gpu.errors import Km3GpuError, NotRootError
from km3gpu.io.opened import open_file
from tests.conftest import DATA

EVERY = sorted(
    p.relative_to(DATA).as_posix() for p in DATA.rglob("*") if p.is_file() and "__pycache__" not in p.parts
)
REFUSED = {
    "it is a text": (".csv", ".md", ".py", ".inp", ".job"),
    "it is JSON": (".json",),
    "it is compressed": (".gz",),
    "acoustic samples of a control board": (".csk",),
}
TEXTS = ("db/", "gibuu/neutrino_", "online/KM3NeT_00000049_00008456.summaryslice-167941.txt")


def reason(name: str) -> str | None:
    """Say why a file is refused; None for one that is read."""
    if name == "__init__.py":
        return "the file is empty"
    if name == "corsika/DAT000001":
        return "check that it is the file you mean"
    found = next((why for why, suffixes in REFUSED.items() if name.endswith(suffixes)), None)
    return found or ("it is a text" if name.startswith(TEXTS) else None)


@pytest.mark.parametrize("name", EVERY)
def test_every_file_is_read_or_refused(name, capsys):
    why = reason(name)
    if why is not None:
        with pytest.raises(Km3GpuError, match=why) as error:
            km3gpu.open(DATA / name)
        assert name in str(error.value)
    # the command line: one line and exit code 1, or what is in it
    for command in ("info", "tree"):
        capsys.readouterr()
        code = call([command, str(DATA / name)])
        said = capsys.readouterr()
        assert code == (0 if why is None else 1), said.err
        assert said.err.count("\n") == code
    if why is None:
        file = open_file(str(DATA / name))
        source = km3gpu.open(DATA / name)
        assert source.n_events == file.counts()[source.tree]
        chunk = source.read(entries=(0, min(source.n_events, 3)), backend="cpu")
        assert {t: c.columns for t, c in chunk.tables.items()} == source.tables


def test_how_many():
    assert len(EVERY) >= 120
    assert sum(reason(n) is None for n in EVERY) >= 85


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("x.root", b"no root", "is not a ROOT file; it is a text"),
        ("passwd", b"root:x:0:0:root:/root:/bin/bash\n", "is of no format that km3gpu reads; it is a text"),
        ("x.zst", b"\x28\xb5\x2f\xfd" + bytes(20), "it is compressed: unpack it first"),
        ("x.dat", b"<html>gone</html>", "it looks like a web page or JSON: was it downloaded whole"),
        ("x", bytes(range(128, 256)), "is of no format that km3gpu reads; check that"),
    ],
)
def test_what_it_may_be(tmp_path, name, content, words):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(NotRootError, match=words):
        km3gpu.open(tmp_path / name)

"""What may be written for files."""

from __future__ import annotations

from pathlib import Path

import pytest

from km3gpu.errors import InputNotFoundError
from km3gpu.io.paths import resolve


def test_a_path_is_itself_even_where_there_is_no_file():
    assert resolve("nothing.root") == ("nothing.root",)
    assert resolve(Path("a") / "b.root") == ("a/b.root",)


def test_lists_keep_their_order_and_globs_are_sorted(tmp_path):
    for name in ("b.root", "a.root", "c.txt", "[x].root"):
        (tmp_path / name).touch()
    found = resolve([tmp_path / "c.txt", f"{tmp_path}/?.root"])
    assert [Path(p).name for p in found] == ["c.txt", "a.root", "b.root"]
    assert resolve(tmp_path / "[x].root") == (str(tmp_path / "[x].root"),)


def test_a_glob_that_matches_nothing(tmp_path):
    with pytest.raises(InputNotFoundError, match="no file matches"):
        resolve(str(tmp_path / "*.root"))


def test_an_empty_list():
    with pytest.raises(InputNotFoundError, match="no file was named"):
        resolve([])


def test_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert resolve("~/x.root") == (str(tmp_path / "x.root"),)


def test_testdata(data):
    assert resolve("testdata:offline/numucc.root") == (str(data / "offline/numucc.root"),)
    assert len(resolve("testdata:detx/detx_v*.detx")) > 3
    with pytest.raises(InputNotFoundError, match=r"numucc\.root"):
        resolve("testdata:offline/numuccc.root")

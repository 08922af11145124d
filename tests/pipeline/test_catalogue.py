"""The catalogue of runs: entered by real runs and by records, asked by content, path and digest, damaged."""

from __future__ import annotations

import hashlib
import logging
import multiprocessing
import shutil
import sqlite3
from pathlib import Path

import pytest

import km3gpu
from km3gpu.errors import ConfigError, FormatError, InputNotFoundError
from km3gpu.pipeline import provenance
from km3gpu.pipeline.catalogue import Catalogue, Entry, Use, place
from km3gpu.pipeline.indexing import entry_of, index
from km3gpu.pipeline.lineage import find

ONLINE = "testdata:online/KM3NeT_00000133_JDAQEvent.root"
DETECTOR = "testdata:datx/KM3NeT_00000133_20221025.datx"

FIRST = f"""
[source]
files = ["{ONLINE}"]
[[stage]]
use = "calibrate"
detector = "{DETECTOR}"
[[sink]]
format = "parquet"
"""
SECOND = """
[[sink]]
format = "hdf5"
name = "again"
"""


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """Two runs, the second on the output of the first, in a catalogue of their own."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "first.toml").write_text(FIRST)
    (folder / "second.toml").write_text(SECOND)
    known = str(folder / "catalogue.sqlite")
    one = km3gpu.run(folder / "first.toml", out=folder / "one", catalogue=known)
    km3gpu.run(folder / "second.toml", one.outputs[0], out=folder / "two", catalogue=known)
    return folder


@pytest.fixture
def catalogue(runs):
    with Catalogue(runs / "catalogue.sqlite") as known:
        yield known


def told(found):
    return [(f.level, Path(f.directory).name, f.role, f.match) for f in found]


def test_a_calibration_leads_to_all_that_came_of_it(catalogue):
    assert told(find(catalogue, DETECTOR, "calibration")) == [
        (0, "one", "calibration", "content"),
        (1, "two", "data", "content"),
    ]
    assert told(find(catalogue, DETECTOR, "calibration", direct=True)) == [
        (0, "one", "calibration", "content")
    ]
    assert find(catalogue, DETECTOR, "data") == []


def test_an_output_leads_back_to_what_it_was_made_of(catalogue, runs):
    found = find(catalogue, str(runs / "two" / "again.h5"), "output")
    assert told(found) == [(0, "two", "output", "content"), (-1, "one", "output", "content")]
    assert found[1].outputs == (str(runs / "one" / "events.parquet"),)
    assert not found[0].gone
    assert found[0].status == "complete"


def test_a_file_is_known_by_its_content_wherever_it_lies(catalogue, runs, tmp_path):
    shutil.copy(runs / "one" / "events.parquet", tmp_path / "copy.parquet")
    assert told(find(catalogue, str(tmp_path / "copy.parquet"))) == [
        (0, "one", "output", "content"),
        (0, "two", "data", "content"),
    ]
    digest = hashlib.sha256((tmp_path / "copy.parquet").read_bytes()).hexdigest()
    assert told(find(catalogue, digest[:12], "data")) == [(0, "two", "data", "content")]
    assert told(find(catalogue, f"sha256:{digest}", "output")) == [(0, "one", "output", "content")]


def entry(directory, inputs, outputs, plan="p"):
    return Entry(directory, plan, "0.1", "complete", "host:1", 1.0, 2.0, tuple(inputs), tuple(outputs))


def test_a_file_that_is_gone_or_another_now_is_known_by_its_path(tmp_path):
    with Catalogue(tmp_path / "c.sqlite", make=True) as known:
        old = tmp_path / "run_1.root"
        known.add(entry("/gone/a", [Use("data", str(old), "sha256:" + "0" * 64)], []))
        assert told(find(known, str(old))) == [(0, "a", "data", "path")]
        assert told(find(known, "run_1.root")) == [(0, "a", "data", "name")]
        assert find(known, "run%1.root") == []  # no pattern
        assert find(known, str(old))[0].gone
        old.write_bytes(b"other")
        assert told(find(known, str(old))) == [(0, "a", "data", "path, other content")]
        with pytest.raises(ConfigError, match="is a directory"):
            find(known, str(tmp_path))


def test_runs_that_made_each_other_are_told_once(tmp_path):
    a, b = (Use("x", f"/f/{n}", "sha256:" + n * 64) for n in "ab")
    with Catalogue(tmp_path / "c.sqlite", make=True) as known:
        uses = {r: {n: Use(r, u.path, u.digest) for n, u in (("a", a), ("b", b))} for r in ("data", "output")}
        known.add(
            entry("/r/1", [uses["data"]["a"]], [uses["output"]["b"]]),
            entry("/r/2", [uses["data"]["b"]], [uses["output"]["a"]]),
        )
        assert [(f.level, f.directory) for f in find(known, "a" * 16, "data")] == [(0, "/r/1"), (1, "/r/2")]
        # entering a run again changes it, and leaves outputs alone that are not told
        known.add(Entry("/r/1", "p", "0.2", "running", "h", 5.0, None, (uses["data"]["b"],), None))
        (run,) = find(known, "b" * 16, "output", direct=True)
        assert (run.status, run.code, run.started) == ("running", "0.2", 1.0)
        assert find(known, "a" * 16, "data") == []


def test_the_catalogue_is_made_again_from_the_records(runs, tmp_path):
    shutil.copy(runs / "one" / "events.parquet", tmp_path / "taken.parquet")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "plan.json").write_text("{}")
    (tmp_path / "bad" / "journal.jsonl").write_text("")
    path = tmp_path / "new.sqlite"
    n, wrong = index(path, [runs, tmp_path / "bad", tmp_path / "taken.parquet"])
    assert n == 3
    assert len(wrong) == 1
    assert "no plan of km3gpu" in wrong[0]
    with Catalogue(path) as known:
        assert told(find(known, DETECTOR, "calibration")) == [
            (0, "taken.parquet", "calibration", "content"),
            (0, "one", "calibration", "content"),
            (1, "two", "data", "content"),
        ]
    path.write_bytes(b"this is no database at all, but long enough to be taken for one " * 9)
    with pytest.raises(FormatError, match=r"cannot be used.*prov index --rebuild"):
        Catalogue(path)
    assert index(path, [runs], rebuild=True)[0] == 2
    assert len(list(tmp_path.glob("new.sqlite.damaged-*"))) == 1
    with pytest.raises(InputNotFoundError):
        index(path, [tmp_path / "nowhere"])


def test_a_record_becomes_the_entry_that_the_run_made(runs, catalogue):
    made = entry_of(provenance.read(runs / "one"), runs / "one")
    ((started, ended),) = catalogue.rows(
        "SELECT started, ended FROM runs WHERE directory = ?", (str(runs / "one"),)
    )
    assert (made.started, made.ended) == (started, ended)
    assert {u.role for u in made.inputs} == {"data", "calibration"}


@pytest.mark.parametrize("damage", ["text", "other", "folder", "newer"])
def test_a_broken_catalogue_fails_no_run(runs, tmp_path, caplog, damage):
    path = tmp_path / "c.sqlite"
    if damage == "text":
        path.write_text("rubbish " * 99)
    elif damage == "other":
        db = sqlite3.connect(path)
        db.execute("CREATE TABLE theirs (x)")
        db.close()
    elif damage == "newer":
        db = sqlite3.connect(path)
        db.execute("PRAGMA user_version = 99")
        db.close()
    else:
        path.mkdir()
    with caplog.at_level(logging.WARNING, "km3gpu"):
        result = km3gpu.run(
            runs / "second.toml", runs / "one" / "events.parquet", out=tmp_path / "out", catalogue=str(path)
        )
    assert len(result.receipts) == 1
    said = [r.getMessage() for r in caplog.records]
    assert len(said) == 1
    assert "not in the catalogue" in said[0]
    assert "\n" not in said[0]
    assert ("version 99" in said[0]) == (damage == "newer")


def test_a_run_that_was_killed_is_not_running(tmp_path, catalogue, runs):
    shutil.copytree(runs / "two", tmp_path / "killed")
    with Catalogue(tmp_path / "c.sqlite", make=True) as known:
        use = Use("data", "/f/a", "sha256:" + "a" * 64)
        for name in ("killed", "gone"):
            known.add(Entry(str(tmp_path / name), "p", "0", "running", "h", 1.0, None, (use,), None))
        assert {Path(f.directory).name: f.status for f in find(known, "a" * 16)} == {
            "killed": "killed",
            "gone": "running",
        }


def _many(path: str, n: int) -> None:
    for i in range(20):
        with Catalogue(Path(path), make=True) as known:
            known.add(entry(f"/r/{n}-{i}", [Use("data", f"/f/{i}", "sha256:" + "1" * 64)], []))


def test_several_processes_enter_runs_at_once(tmp_path):
    context = multiprocessing.get_context("spawn")
    path = str(tmp_path / "c.sqlite")
    workers = [context.Process(target=_many, args=(path, n)) for n in range(3)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
        assert w.exitcode == 0
    with Catalogue(Path(path)) as known:
        assert known.rows("SELECT count(*) FROM runs") == [(60,)]
        assert known.rows("SELECT count(*) FROM files") == [(20,)]


def test_where_the_catalogue_is(monkeypatch, tmp_path):
    monkeypatch.setenv("KM3GPU_CATALOGUE", "none")
    assert place() is None
    assert place(str(tmp_path / "c.sqlite")) == tmp_path / "c.sqlite"
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    assert place("user") in (
        tmp_path / "km3gpu" / "catalogue.sqlite",
        Path("~/Library/Application Support/km3gpu/catalogue.sqlite").expanduser(),
    )
    monkeypatch.delenv("KM3GPU_CATALOGUE")
    assert place() == place("user")

"""The harness of the benchmarks: figures are taken in turn, and promises are judged the right way round."""

from __future__ import annotations

import json
import sys

import pytest

from benchmarks import __main__ as program
from benchmarks.harness import Row, alternate, ratio_row


def test_functions_are_called_in_turn():
    calls = []
    times = alternate({"a": lambda: calls.append("a"), "b": lambda: calls.append("b")}, repeats=3, warm_up=1)
    assert calls == ["a", "b"] * 4
    assert times["a"].repeats == 3
    assert times["a"].cpu_min <= times["a"].cpu <= times["a"].cpu_max


def test_cpu_time_is_measured():
    times = alternate({"busy": lambda: sum(range(300_000)), "idle": lambda: None}, repeats=3)
    assert times["busy"].cpu > 10 * times["idle"].cpu
    assert times["busy"].wall >= 0.5 * times["busy"].cpu


def test_a_ratio_says_how_much_better_ours_is():
    times = alternate({"ours": lambda: sum(range(30_000)), "peer": lambda: sum(range(300_000))}, repeats=5)
    as_time, as_rate = ratio_row("x", times, limit=2), ratio_row("x", times, items=1.0, unit="item/s")
    assert as_time.ours < as_time.peer
    assert as_rate.ours > as_rate.peer
    assert as_time.ratio == as_rate.ratio > 2
    assert as_time.kept


@pytest.mark.parametrize(
    ("row", "kept"),
    [
        (Row("x", 5.0, "ms"), None),
        (Row("x", 5.0, "ms", limit=6, sense="at most"), True),
        (Row("x", 7.0, "ms", limit=6, sense="at most"), False),
        (Row("x", 5.0, "ms", 15.0, 3.0, limit=4), False),
        (Row("x", 5.0, "ms", 25.0, 5.0, limit=4), True),
    ],
)
def test_a_promise_is_about_the_ratio_where_there_is_a_peer(row, kept):
    assert row.kept is kept
    assert row.as_dict()["kept"] is kept


@pytest.fixture
def one_benchmark(monkeypatch):
    class Bench:
        @staticmethod
        def run(quick):
            return [Row("quick" if quick else "full", 1.5, "ms", 3.0, 2.0, limit=3.0, note="a peer")]

    monkeypatch.setitem(sys.modules, "benchmarks.bench_one", Bench)
    monkeypatch.setattr(program, "names", lambda: ["one"])


@pytest.mark.usefixtures("one_benchmark")
def test_table_and_json(capsys, monkeypatch, tmp_path):
    monkeypatch.setattr(sys, "argv", ["benchmarks", "--quick", "--json", str(tmp_path / "figures.json")])
    assert program.main() == 0
    out = capsys.readouterr().out
    assert "quick" in out
    assert "at least 3 !" in out
    assert "1 figures, 1 short of their limit" in out
    written = json.loads((tmp_path / "figures.json").read_text())
    assert written["figures"][0]["benchmark"] == "one"
    assert written["machine"]["python"] == ".".join(map(str, sys.version_info[:3]))


@pytest.mark.usefixtures("one_benchmark")
def test_an_unknown_name_lists_those_there_are(capsys, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["benchmarks", "tow"])
    assert program.main() == 1
    assert "no benchmark 'tow'; there is: one" in capsys.readouterr().err


def test_every_benchmark_of_the_folder_is_found():
    assert {"calibrate", "import", "io"} <= set(program.names())


def test_the_jobs_of_the_pipeline(tmp_path):
    from benchmarks.bench_pipeline import _overhead, _resume, _scheduler, _year

    rows = [*_overhead(tmp_path / "a", True), _scheduler(tmp_path / "b", 20), _resume(tmp_path / "c", 50)]
    assert all(row.ours > 0 for row in rows)
    assert rows[2].kept
    days = [row.ours for row in _year(1e-7, 1000.0)]
    assert days == pytest.approx([10e12 * 1e-7 / 86400 / n for n in (1, 100, 1000)])

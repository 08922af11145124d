from __future__ import annotations

import errno
import json
import multiprocessing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from km3gpu.errors import Km3GpuError, OutputExistsError
from km3gpu.pipeline.journal import Journal, read


def test_lines_are_read_in_order(tmp_path: Path) -> None:
    with Journal(tmp_path / "j") as log:
        log.append({"n": 1}, {"n": 2})
        log.append({"n": 3}, sync=False)
    with Journal(tmp_path / "j") as log:
        log.append({"n": 4, "text": "two\nlines σ"})
        assert log.torn == 0
    assert [e["n"] for e in read([tmp_path / "absent", tmp_path / "j"])] == [1, 2, 3, 4]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.text(max_size=8), min_size=1, max_size=4), st.data())
def test_cut_anywhere_only_the_last_line_is_lost(texts: list[str], data: st.DataObject) -> None:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "j"
        with Journal(path) as log:
            log.append(*({"text": t} for t in texts))
        whole = path.read_bytes()
        cut = data.draw(st.integers(0, len(whole)))
        path.write_bytes(whole[:cut])
        kept = whole[:cut].count(b"\n")
        with Journal(path) as log:
            assert log.torn == len(whole[:cut]) - (whole[:cut].rfind(b"\n") + 1)
            log.append({"text": "after"})
        assert [e["text"] for e in read([path])] == [*texts[:kept], "after"]


def test_spoilt_lines_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "j").write_bytes(b'{"n": 1}\n\xff\x00{"n":\n[1]\n{"n": 2}\n')
    assert list(read([tmp_path / "j"])) == [{"n": 1}, {"n": 2}]


def test_a_long_torn_line(tmp_path: Path) -> None:
    (tmp_path / "j").write_bytes(b'{"n": 1}\n' + b"x" * 300_000)
    with Journal(tmp_path / "j") as log:
        assert log.torn == 300_000
    assert (tmp_path / "j").read_bytes() == b'{"n": 1}\n'


def test_a_file_system_without_locks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*args: object) -> None:
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr("fcntl.flock", none)
    with pytest.raises(Km3GpuError, match="no file can be locked there: No locks available"):
        Journal(tmp_path / "j")


def _hold(path: str, ready: object) -> None:
    with Journal(Path(path)):
        ready.send("open")  # type: ignore[attr-defined]
        ready.recv()  # type: ignore[attr-defined]


def test_only_one_process_at_a_time(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=_hold, args=(str(tmp_path / "j"), there))
    process.start()
    assert here.recv() == "open"
    with pytest.raises(OutputExistsError, match="another run is writing"):
        Journal(tmp_path / "j")
    process.kill()
    process.join()
    with Journal(tmp_path / "j") as log:  # a lock dies with its process
        log.append({"n": 1})
    assert json.loads((tmp_path / "j").read_text()) == {"n": 1}

from __future__ import annotations

import os
import sqlite3
from pathlib import Path

import pytest

from km3gpu.chunk import file_digest
from km3gpu.errors import InputNotFoundError
from km3gpu.pipeline import digests


@pytest.fixture
def hashed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note which files are hashed, and take every file for a large one."""
    calls: list[str] = []

    def noted(path: str) -> str:
        calls.append(Path(path).name)
        return file_digest(path)

    monkeypatch.setattr(digests, "file_digest", noted)
    monkeypatch.setattr(digests, "_LARGE", 1)
    monkeypatch.setenv(digests.VARIABLE, str(tmp_path / "sub/digests.sqlite"))
    return calls


def test_a_file_is_hashed_once_until_it_changes(tmp_path: Path, hashed: list[str]) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"one")
    first = digests.digest_of(str(path))
    assert digests.digest_of(str(path)) == first == file_digest(str(path))
    assert hashed == ["a"]
    stat = path.stat()
    path.write_bytes(b"two")
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))  # what a program can fake
    assert digests.digest_of(str(path)) != first
    (tmp_path / "b").write_bytes(b"two")
    (tmp_path / "b").replace(path)  # another file under the same name
    digests.digest_of(str(path))
    assert hashed == ["a", "a", "a"]
    with pytest.raises(InputNotFoundError):
        digests.digest_of(str(tmp_path / "absent"))


def test_a_memory_that_does_not_work_is_none(
    tmp_path: Path, hashed: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a"
    path.write_bytes(b"one")
    (tmp_path / "broken").write_bytes(b"no database" * 1000)
    for place in (str(tmp_path / "broken"), str(tmp_path / "a" / "below a file"), "none"):
        monkeypatch.setenv(digests.VARIABLE, place)
        assert digests.digest_of(str(path)) == file_digest(str(path))
    assert len(hashed) == 3
    monkeypatch.setenv(digests.VARIABLE, str(tmp_path / "good"))
    digests.digest_of(str(path))
    with sqlite3.connect(tmp_path / "good") as known:
        assert known.execute("SELECT count(*) FROM digests").fetchone() == (1,)


def test_small_files_are_not_remembered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(digests.VARIABLE, str(tmp_path / "digests"))
    (tmp_path / "a").write_bytes(b"one")
    digests.digest_of(str(tmp_path / "a"))
    assert not (tmp_path / "digests").exists()

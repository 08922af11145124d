"""Plans for the tests of the pipeline: real files, several chunks each, and stages that misbehave."""

from __future__ import annotations

import sys
import textwrap
from collections.abc import Callable
from pathlib import Path

import pytest

ONLINE = "testdata:online/muon_cc_daqevents.root"
DETECTOR = "testdata:datx/KM3NeT_00000133_20221025.datx"

# A stage of a user, in a module of his own beside the plan.  What it does to
# which chunk is told by files in a folder, so that it can misbehave just once.
ODD = '''
from __future__ import annotations
import errno, os, signal, time
from dataclasses import dataclass, field
from pathlib import Path
from typing import ClassVar
from km3gpu.errors import FormatError
from km3gpu.stages import Stage

@dataclass(frozen=True)
class Odd(Stage):
    """Misbehave at the entries that the files of a folder name."""
    name: ClassVar[str] = "odd"
    folder: str = field(metadata={"shapes": False})
    seconds: float = field(default=0.0, metadata={"shapes": False})

    def reads(self, kind):
        return {}

    def writes(self, kind):
        return {}

    def apply(self, chunk):
        source = chunk.source
        time.sleep(self.seconds)
        (Path(self.folder) / f"seen-{source.start}-{source.stop}-{os.getpid()}-{time.time_ns()}").touch()
        for path in sorted(Path(self.folder).glob("do-*")):
            _, what, entry, how = path.name.split("-")
            if not source.start <= int(entry) < source.stop:
                continue
            if how == "once":
                path.unlink(missing_ok=True)
            if what == "kill":
                os.kill(os.getpid(), signal.SIGKILL)
            if what == "io":
                raise OSError(errno.EIO, "the network hiccupped")
            if what == "full":
                raise OSError(errno.ENOSPC, "No space left on device")
            if what == "bad":
                raise FormatError("bytes that make no sense", where=f"entry {entry}")
            if what == "bug":
                raise ZeroDivisionError("a fault of the user")
            if what == "big" and source.n_entries > 30:
                raise MemoryError("too large")
            if what == "hog" and source.n_entries > 30:
                rubbish = bytearray(os.urandom(1 << 20)) * 900
                time.sleep(60)
        return {}, {"seen": 1}
'''


@pytest.fixture
def odd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Path]:
    """Make a plan with the stage `Odd`, 10 chunks of 25 events."""
    monkeypatch.delitem(sys.modules, "oddstage", raising=False)
    monkeypatch.setattr(sys, "path", list(sys.path))
    (tmp_path / "oddstage.py").write_text(ODD)
    (tmp_path / "orders").mkdir()

    def make(*, chunk: int = 25, seconds: float = 0.0, sinks: str = "parquet", bare: bool = False) -> Path:
        text = f"""
            [source]
            files = ["{ONLINE}"]
            chunk = {chunk}
            [[stage]]
            use = "oddstage:Odd"
            folder = "{tmp_path / "orders"}"
            seconds = {seconds}
            """
        if not bare:
            text += f"""
            [[stage]]
            use = "calibrate"
            detector = "{DETECTOR}"
            [[stage]]
            use = "coincidences"
            """
        text = textwrap.dedent(text) + "".join(f'[[sink]]\nformat = "{s}"\n' for s in sinks.split())
        (tmp_path / "plan.toml").write_text(text)
        return tmp_path / "plan.toml"

    return make


@pytest.fixture
def order(tmp_path: Path) -> Callable[[str], None]:
    """Tell the stage to misbehave: ``order("kill-60-once")``."""

    def give(what: str) -> None:
        (tmp_path / "orders" / f"do-{what}").touch()

    return give


@pytest.fixture
def seen(tmp_path: Path) -> Callable[[], list[tuple[int, int]]]:
    """Give the entry ranges that the stage has seen, in order."""

    def ranges() -> list[tuple[int, int]]:
        names = sorted(
            (p.name.split("-") for p in (tmp_path / "orders").glob("seen-*")), key=lambda n: int(n[4])
        )
        return [(int(n[1]), int(n[2])) for n in names]

    return ranges

"""Throw damaged bytes at the decoders, guided by coverage (atheris).

``python -m tests.fuzz.decoders TARGET --seconds 15`` ends with status 0 where
nothing but errors of ours came out, and names the bytes otherwise.  Kernels
check their bounds meanwhile.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("NUMBA_BOUNDSCHECK", "1")

import atheris
import numpy as np

# what numba compiles must not be instrumented, so it comes first
for _module in ("cpu.frames", "cpu.lists", "cpu.text", "decode", "lookup"):
    importlib.import_module(f"km3gpu.kernels.{_module}")

with atheris.instrument_imports(include=["km3gpu"]):
    from km3gpu.backend import Backend
    from km3gpu.detector import Detector
    from km3gpu.errors import Km3GpuError
    from km3gpu.io.daqdump import DumpFile
    from km3gpu.io.datagrams import DatagramFile
    from km3gpu.io.dataset import DataFile
    from km3gpu.io.evt import EvtFile
    from km3gpu.kernels import decode
    from tests.conftest import DATA

_CPU = Backend("cpu")
_LONGEST = 8192


def daq(data: bytes) -> None:
    """Hit lists and headers of DAQ events, cut into entries by their own first bytes."""
    n = data[0] % 8 if data else 0
    cuts = np.frombuffer(data[1 : 1 + 2 * n].ljust(2 * n, b"\0"), "<u2").astype(np.int64)
    raw = np.frombuffer(data[1 + 2 * n :], np.uint8)
    # any offsets, also such as run past the end
    offsets = np.concatenate([[0], np.sort(cuts), [len(raw)]])
    for decoder in (decode.snapshot_hits, decode.triggered_hits, decode.event_headers):
        try:
            decoder(raw, offsets)
        except Km3GpuError:
            continue


def dump(data: bytes) -> None:
    """Dumps of DAQ messages and datagrams."""
    for reader in (DumpFile, DatagramFile):
        _read_all(reader, data)


def evt(data: bytes) -> None:
    """EVT text."""
    _read_all(EvtFile, data)


def detx(data: bytes) -> None:
    """DETX text and DATX bytes."""
    try:
        Detector.from_bytes(data, "x")
    except Km3GpuError:
        return


TARGETS: dict[str, Callable[[bytes], None]] = {
    "daq": daq,
    "dump": dump,
    "evt": evt,
    "detx": detx,
    "datx": detx,
}

_scratch = Path(tempfile.mkdtemp(prefix="fuzz-"))


def _read_all(reader: Callable[[str], DataFile], data: bytes) -> None:
    path = _scratch / "x"
    path.write_bytes(data)
    try:
        file = reader(str(path))
        for name in file.names:
            dataset = file.dataset(name)
            dataset.read(dataset.tables(), 0, dataset.n_entries, _CPU)
        file.header()
    except Km3GpuError:
        return


def seeds(target: str) -> list[bytes]:
    """Give small good inputs to begin with."""
    if target == "daq":
        raw = (DATA / "online/km3net_online.root").read_bytes()
        at = raw.find((10 * 124 + 6 | 0x40000000).to_bytes(4, "big"))
        return [b"\0" + raw[at : at + 10 + 10 * 124], b"\2" + bytes([10, 0, 34, 0]) + raw[at : at + 200]]
    if target == "dump":
        names = (
            "IO_EVT.dat",
            "IO_EVT_legacy.dat",
            "IO_SUM.dat",
            "IO_TSL1_legacy.dat",
            "IO_TSSN.dat",
            "clb.dqd",
            "IO_MONIT.dat",
        )
        return [(DATA / "daq" / n).read_bytes()[:_LONGEST] for n in names]
    if target == "evt":
        files = (
            "evt/KM3Sim.evt",
            "evt/corant_5.1.9.evt",
            "evt/example_numuNC.evt",
            "mupage/mcv5.0.mupage_1G.5.evt",
        )
        return [(DATA / n).read_bytes()[:_LONGEST] for n in files]
    small = [
        DATA / "detx" / n for n in ("detx_v1.detx", "detx_v2.detx", "detx_v3.detx", "detx_v3_whitespace.detx")
    ]
    if target == "detx":
        return [p.read_bytes() for p in small]
    made = []
    for path in small[1:3]:
        Detector.open(path).write(_scratch / "x.datx")
        made.append((_scratch / "x.datx").read_bytes())
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("target", choices=sorted(TARGETS))
    parser.add_argument("--seconds", type=int, default=15)
    options = parser.parse_args()
    corpus = _scratch / "corpus"
    corpus.mkdir()
    function = TARGETS[options.target]
    for k, seed in enumerate(seeds(options.target)):
        (corpus / str(k)).write_bytes(seed)
        function(seed)  # compiles the kernels, outside the time that counts
    atheris.Setup(
        [
            sys.argv[0],
            str(corpus),
            f"-max_total_time={options.seconds}",
            f"-max_len={_LONGEST}",
            "-timeout=20",
            "-rss_limit_mb=3000",
            f"-artifact_prefix={_scratch}/",
            "-print_final_stats=1",
        ],
        function,
    )
    atheris.Fuzz()


if __name__ == "__main__":
    main()

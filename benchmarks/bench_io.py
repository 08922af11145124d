"""Opening and reading files: against km3io, plain uproot, and the decompression of the same bytes."""

from __future__ import annotations

import statistics
import subprocess
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import awkward as ak
import deflate
import km3io
import km3net_testdata
import numpy as np
import uproot
from uproot.interpretation.jagged import AsJagged
from uproot.interpretation.numerical import AsDtype

import km3gpu
from benchmarks.harness import Row, alternate, ratio_row
from km3gpu.io import opened
from km3gpu.io.baskets import entry_bytes
from km3gpu.io.columns import decode_lists, read_column, row_offsets
from km3gpu.io.offline import COLLECTIONS
from km3gpu.io.roottree import Branch, Tree
from km3gpu.kernels import decode, threads

DATA = Path(km3net_testdata.__file__).parent / "data"
OFFLINE = DATA / "offline/mcv6.gsg_nue-CCHEDIS_1e4-1e6GeV.sirene.jte.jchain.aanet.1.root"
ONLINE = DATA / "online/muon_cc_daqevents.root"
SLICES = DATA / "online/KM3NeT_00000267_00025291_L1.root"
MUON = DATA / "offline/muon_cc_events.root"
TRACKS = DATA / (
    "offline/mcv5.11r2.gsg_muonCChigherE-CC_50-5000GeV.km3_AAv1.jterbr00004695.jchain.aanet.498.root"
)
OURS = {"pdgid": "type"}  # what km3io calls otherwise
NESTED = {"trks.fitinf": "[f8]", "trks.rec_stages": "[i4]"}

HIT = np.dtype([("dom_id", ">i4"), ("channel_id", "u1"), ("tdc", "<u4"), ("tot", "u1")])
TRIGGERED = np.dtype([*HIT.descr, ("count", ">u4"), ("version", ">u2"), ("trig", ">u8")])
HIT_LISTS = (("snapshotHits", HIT), ("triggeredHits", TRIGGERED))


def run(quick: bool) -> list[Row]:
    """Measure opening, reading and decoding; every pair in turn in this process."""
    n = 5 if quick else 15
    with warnings.catch_warnings(), threads(1):
        warnings.simplefilter("ignore")  # km3io's, of headers
        return [
            *_opening(n),
            *_main_files(n),
            *_collections("muon_cc_events", MUON, n),
            *_collections("mcv5.11r2 498", TRACKS, n),
            *_nested(n),
            *_daq(n),
            *_timeslices(n),
            *_long_file(10 if quick else 100),
        ]


def _cold(path: Path) -> Any:
    """Open a file as if for the first time; its schema is known."""
    opened._files.clear()
    return km3gpu.open(path)


def _tree(path: Path, name: str) -> Tree:
    return opened.open_file(str(path)).tree(name)  # type: ignore[attr-defined, no-any-return]


def _opening(n: int) -> list[Row]:
    rows = []
    for path, name in ((MUON, "offline"), (ONLINE, "DAQ")):
        tree = "E" if name == "offline" else "KM3NET_EVENT"
        functions: dict[str, Callable[[], object]] = {
            "ours": lambda p=path: _cold(p),  # type: ignore[misc]
            "uproot": lambda p=path, t=tree: uproot.open(p)[t].keys(),  # type: ignore[misc]
        }
        if name == "offline":
            functions["km3io"] = lambda: km3io.OfflineReader(str(MUON))
        times = alternate(functions, n)
        for peer in [p for p in functions if p != "ours"]:
            rows.append(ratio_row(f"open {name}, first tree", times, peer=peer, note=peer))
        rows.append(
            Row(
                f"open {name}, schema known",
                1e3 * times["ours"].cpu,
                "ms",
                limit=15,
                sense="at most",
            )
        )
    return rows


def _main_files(n: int) -> list[Row]:
    wanted = {
        "hits": ("dom_id", "channel_id", "tdc", "tot", "t"),
        "tracks": ("pos_x", "pos_y", "pos_z", "dir_x", "dir_y", "dir_z", "t", "E", "lik", "rec_stages"),
        "mc_tracks": ("pos_x", "pos_y", "pos_z", "dir_x", "dir_y", "dir_z", "t", "E"),
    }
    names = [
        f"{collection}.{c.replace('pos_', 'pos.').replace('dir_', 'dir.')}"
        for table, collection in COLLECTIONS.items()
        for c in wanted.get(table, ())
    ]

    def by_km3io() -> None:
        reader = km3io.OfflineReader(str(OFFLINE))
        for table, columns in wanted.items():
            for column in columns:
                getattr(getattr(reader, table), column)

    def by_uproot() -> None:
        with uproot.open(OFFLINE) as f:
            branches = {b.name: b for b in f["E"].itervalues(recursive=True)}
            for name in names:
                branches[name].array(array_cache=None)

    times = alternate(
        {
            "ours": lambda: _cold(OFFLINE).read(columns=wanted, backend="cpu"),
            "km3io": by_km3io,
            "uproot": by_uproot,
        },
        n,
    )
    rows = [
        ratio_row(f"open and read the offline file, {len(names)} columns", times, peer=peer, note=peer)
        for peer in ("km3io", "uproot")
    ]
    times = alternate({"ours": lambda: _cold(ONLINE).read(backend="cpu"), "peer": _daq_by_uproot}, n)
    return [
        *rows,
        ratio_row("open and read the DAQ file", times, note="uproot, explicit layouts, contiguous"),
    ]


def _daq_by_uproot() -> None:
    with uproot.open(ONLINE) as f:
        branches = {b.name: b for b in f["KM3NET_EVENT"].itervalues(recursive=True)}
        for name, dtype in HIT_LISTS:
            _contiguous(branches[name], dtype)


def _contiguous(branch: Any, dtype: np.dtype[Any]) -> dict[str, np.ndarray]:
    """Read hits with uproot and copy its strided, big-endian views to native columns."""
    array = branch.array(AsJagged(AsDtype(dtype), header_bytes=10), array_cache=None)
    flat = ak.flatten(array)
    names = [c for c in dtype.names or () if c not in ("count", "version")]
    return {c: np.ascontiguousarray(ak.to_numpy(flat[c])) for c in names}


def _collections(label: str, path: Path, n: int) -> list[Row]:
    reader = km3io.OfflineReader(str(path))
    fields = {t: list(getattr(reader, t).fields) for t in COLLECTIONS}
    tables = km3gpu.open(path).tables
    wanted = {t: tuple(OURS.get(c, c) for c in fields[t]) for t in COLLECTIONS}
    assert all(set(cs) <= set(tables[t]) for t, cs in wanted.items())
    total = sum(map(len, wanted.values()))

    def by_km3io() -> None:
        reader = km3io.OfflineReader(str(path))
        for table, columns in fields.items():
            collection = getattr(reader, table)
            for column in columns:
                getattr(collection, column)

    dataset = opened.open_file(str(path)).dataset("E")
    branches = [dataset.branches[t][c] for t, cs in wanted.items() for c in cs]  # type: ignore[attr-defined]
    blocks = list(_blocks(_tree(path, "E"), branches))
    times = alternate(
        {
            "ours": lambda: _cold(path).read(columns=wanted, backend="cpu"),
            "km3io": by_km3io,
            "floor": lambda: [deflate.zlib_decompress(data, size) for data, size in blocks],
        },
        n,
    )
    share = times["ours"].cpu / times["floor"].cpu
    return [
        ratio_row(f"{label}: open, {total} branches", times, peer="km3io", limit=4, note="km3io"),
        Row(
            f"{label}: time over libdeflate's alone",
            share,
            "times",
            limit=2.5,
            sense="at most",
            note=f"{sum(s for _, s in blocks) / 1e6:.1f} MB decompressed",
        ),
    ]


def _blocks(tree: Tree, branches: Iterable[Branch]) -> Iterable[tuple[bytes, int]]:
    """Give the zlib blocks of branches: (compressed bytes, size when decompressed)."""
    for branch in branches:
        for seek, nbytes in zip(branch.baskets.seek, branch.baskets.nbytes, strict=True):
            record = bytes(tree.file.span(seek, nbytes))
            pos = int.from_bytes(record[14:16], "big")
            while record[pos : pos + 2] == b"ZL":
                packed = int.from_bytes(record[pos + 3 : pos + 6], "little")
                yield record[pos + 9 : pos + 9 + packed], int.from_bytes(record[pos + 6 : pos + 9], "little")
                pos += 9 + packed


def _nested(n: int) -> list[Row]:
    """Read lists of lists, and decode them with their baskets in memory, against AwkwardForth."""
    tree = _tree(TRACKS, "E")
    rows = []
    with uproot.open(TRACKS) as f:
        others = {b.name: b for b in f["E"].itervalues(recursive=True)}
        for name, kind in NESTED.items():
            branch, other = tree.branch(name), others[name]
            times = alternate(
                {
                    "ours": lambda: read_column(tree, branch, 0, tree.n_entries),  # noqa: B023
                    "peer": lambda: other.array(array_cache=None),  # noqa: B023
                },
                n,
            )
            rows.append(ratio_row(f"read {name}", times, note="uproot, AwkwardForth"))
            baskets = [other.basket(i) for i in range(other.num_baskets)]
            lists = row_offsets(tree, tree.branch("Evt/trks"), 0, tree.n_entries)
            data, starts = entry_bytes(tree, branch, 0, tree.n_entries)
            times = alternate(
                {
                    "ours": lambda: decode_lists(tree, branch, kind, data, starts, lists, 6, 0),  # noqa: B023
                    "peer": lambda: _by_forth(other, baskets),  # noqa: B023
                },
                n,
            )
            rows.append(ratio_row(f"decode {name}, baskets in memory", times, limit=5, note="AwkwardForth"))
    return rows


def _by_forth(branch: Any, baskets: list[Any]) -> Any:
    """Do what uproot does with decompressed baskets of lists of lists."""
    interpretation, library = branch.interpretation, uproot.interpretation.library.Awkward()
    context = {**branch.context, "forth": threading.local()}
    arrays = {
        i: interpretation.basket_array(
            b.data, b.byte_offsets, b, branch, context, b.member("fKeylen"), library, {"ak_add_doc": False}
        )
        for i, b in enumerate(baskets)
    }
    edges = branch.entry_offsets
    return interpretation.final_array(arrays, 0, edges[-1], edges, library, branch, {"ak_add_doc": False})


def _daq(n: int) -> list[Row]:
    tree = _tree(ONLINE, "KM3NET_EVENT")
    decoders = {"snapshotHits": decode.snapshot_hits, "triggeredHits": decode.triggered_hits}
    raw = {name: entry_bytes(tree, tree.branch(name), 0, tree.n_entries) for name in decoders}
    n_bytes = sum(len(data) for data, _ in raw.values())
    buffers = {name: np.array(data) for name, (data, _) in raw.items()}

    def ours() -> None:
        for name, decoder in decoders.items():
            decoder(*entry_bytes(tree, tree.branch(name), 0, tree.n_entries))

    with uproot.open(ONLINE) as f:
        others = {b.name: b for b in f["KM3NET_EVENT"].itervalues(recursive=True)}
        times = alternate(
            {"ours": ours, "peer": lambda: [_contiguous(others[n], d) for n, d in HIT_LISTS]}, 3 * n
        )
    rows = [
        ratio_row(
            "DAQ hits, raw baskets to columns", times, limit=4, note="uproot, explicit layouts, contiguous"
        )
    ]
    times = alternate(
        {
            "ours": lambda: [decoders[k](*raw[k]) for k in decoders],
            "copy": lambda: [b.copy() for b in buffers.values()],
        },
        3 * n,
    )
    rows.append(
        Row(
            "DAQ hits, decoding over copying the bytes",
            times["ours"].cpu / times["copy"].cpu,
            "times",
            limit=2.5,
            sense="at most",
            note=f"{n_bytes / 1e6:.2f} MB, {n_bytes / 1e6 / times['ours'].cpu:.0f} MB/s",
        )
    )
    return rows


def _timeslices(n: int) -> list[Row]:
    """Read timeslices, which no other Python package does."""
    source = km3gpu.open(SLICES)
    n_hits = len(source.read("hits", backend="cpu").hits)
    times = alternate({"ours": lambda: source.read("hits", backend="cpu")}, 3 * n)
    return [
        Row(
            "L1 timeslices, compressed baskets to columns",
            n_hits / 1e6 / times["ours"].cpu,
            "Mhit/s",
            limit=35,
            note=f"{n_hits} hits",
        )
    ]


_LONG_COLUMNS = ("dom_id", "channel_id", "tdc", "tot", "t", "pos_x", "pos_y", "pos_z")
_STREAM = """
import resource, sys, time
import km3gpu
source = km3gpu.open(sys.argv[1], tree="T")
first = next(source.chunks("16 MB", backend="cpu"))
start, size = time.process_time(), 0
for _ in range(int(sys.argv[2])):
    for chunk in source.chunks("16 MB", backend="cpu"):
        size += chunk.nbytes
print(time.process_time() - start, size, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024)
"""


def _long_file(copies: int) -> list[Row]:
    """Stream a file that holds the hits of another `copies` times, and that other file as many times."""
    hits = km3gpu.open(OFFLINE).read(columns={"hits": _LONG_COLUMNS}, backend="cpu").hits
    events = hits.to_awkward()
    figures = {}
    with tempfile.TemporaryDirectory() as folder:
        for n, passes in ((1, copies), (copies, 1)):
            path = Path(folder) / f"{n}.root"
            with uproot.recreate(path, compression=uproot.ZLIB(1)) as f:
                f.mktree("T", {c: f"var * {hits.flat(c).dtype}" for c in _LONG_COLUMNS})
                for _ in range(n):
                    f["T"].extend({c: events[c] for c in _LONG_COLUMNS})
            runs = [
                subprocess.run(
                    [sys.executable, "-c", _STREAM, path, str(passes)],
                    capture_output=True,
                    text=True,
                    check=True,
                )
                for _ in range(3)
            ]
            values = [[float(v) for v in run.stdout.split()] for run in runs]
            figures[n] = [statistics.median(v) for v in zip(*values, strict=True)]
    (cpu, size, peak), (long_cpu, long_size, long_peak) = figures[1], figures[copies]
    rate, long_rate = size / cpu / 1e6, long_size / long_cpu / 1e6
    return [
        Row(
            f"stream {long_size / 1e6:.0f} MB, {copies} times as long",
            long_rate,
            "MB/s",
            rate,
            long_rate / rate,
            0.8,
            note=f"the same bytes, {copies} times the short file",
        ),
        Row(
            "memory more than the short file's",
            (long_peak - peak) / 1e6,
            "MB",
            limit=64,
            sense="at most",
            note=f"peak {long_peak / 1e6:.0f} MB, chunks of 16 MB",
        ),
    ]

"""Records: what they hold, whether they hold, what differs, and making chunks again."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import prov.model
import pytest

from km3gpu.errors import FormatError, InputNotFoundError, RunFailedError, UnknownNameError
from km3gpu.pipeline import RunResult, provenance, run
from km3gpu.pipeline.crate import ro_crate
from km3gpu.pipeline.difference import difference
from km3gpu.pipeline.export import prov_json, upstream
from km3gpu.pipeline.replay import replay, same_within
from km3gpu.pipeline.rundir import RunDirectory
from km3gpu.pipeline.verify import verify
from km3gpu.table import Ragged

EXAMPLES = Path(__file__).parents[2] / "examples"
PlanMaker = Callable[..., Path]


@pytest.fixture(scope="module")
def offline(tmp_path_factory: pytest.TempPathFactory) -> RunResult:
    return run(EXAMPLES / "offline.toml", out=tmp_path_factory.mktemp("offline") / "out", chunk=10)


def test_the_record(offline: RunResult) -> None:
    record = provenance.read(offline.out)
    assert record == json.loads(offline.provenance.read_text())
    assert record["status"] == "complete"
    assert record["complete"]
    [session] = record["sessions"]
    assert session["ended"]["status"] == "complete"
    assert session["environment"] in record["environments"]
    environment = record["environments"][session["environment"]]
    assert environment["packages"]["numpy"] == np.__version__
    assert environment["gpu"].startswith("none: ") or environment["gpu"]["name"]
    assert [i["role"] for i in record["inputs"]] == ["data", "calibration"]
    assert record["inputs"][0]["meta"][0]["application"] == "JSirene"
    lines = (EXAMPLES / "offline.toml").read_text().splitlines()
    where = record["configuration"]["origins"]["stage.0.slewing"]
    assert "slewing" in lines[int(where.rpartition("offline.toml, line ")[2]) - 1]
    assert record["configuration"]["origins"]["run.workers"] == "default"
    assert [c["entries"] for c in record["chunks"]] == [[0, 10], [10, 20], [20, 30], [30, 31]]
    for chunk in record["chunks"]:
        assert chunk["environment"] in record["environments"]
        assert chunk["device"]
        assert chunk["outputs"][0]["digest"].startswith("sha256:")


def test_the_record_in_the_outputs(offline: RunResult) -> None:
    parquet, hdf5 = (provenance.read(p) for p in offline.outputs)
    assert parquet == hdf5
    assert [c["n_out"] for c in parquet["chunks"]] == [10, 10, 10, 1]
    assert parquet["plan"] == offline.plan.id
    assert "sessions" not in parquet  # who and when would make other bytes of the same rows
    assert parquet["inputs"][0]["digest"] == offline.plan.inputs[0].digest


def test_the_record_in_a_file_of_histograms(tmp_path: Path, odd: PlanMaker) -> None:
    plan = odd(chunk=125, sinks="histogram", bare=True)
    axis = 'name = "tot"\ntable = "hits"\nx = "tot"\nbins = 8\nrange = [0, 256]\n'
    plan.write_text(f"{plan.read_text()}[[sink.histogram]]\n{axis}")
    [made] = run(plan, out=tmp_path / "out").outputs
    assert [c["n_out"] for c in provenance.read(made)["chunks"]] == [125, 125]


def test_records_of_something_else(tmp_path: Path) -> None:
    with pytest.raises(InputNotFoundError, match="no record in"):
        provenance.read(tmp_path)
    with pytest.raises(InputNotFoundError, match="no file"):
        provenance.read(tmp_path / "absent")
    for name, content in (("a", b"{}"), ("b", b"\x00\x01"), ("c", b"[1]")):
        (tmp_path / name).write_bytes(content)
        with pytest.raises(FormatError, match="no record"):
            provenance.read(tmp_path / name)


def test_a_run_without_its_last_word_has_a_record(tmp_path: Path, odd: PlanMaker) -> None:
    result = run(odd(chunk=50), out=tmp_path / "out")
    journal = tmp_path / "out" / "journal.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    receipts = [i for i, line in enumerate(lines) if '"receipt"' in line]
    journal.write_text("".join(lines[: receipts[2] + 1]))
    result.provenance.unlink()
    record = provenance.read(tmp_path / "out")
    assert record["status"] == "killed"
    assert len(record["chunks"]) == 3
    assert len(record["missing"]) == 2


# -- verify --------------------------------------------------------------------
def test_verify(tmp_path: Path, odd: PlanMaker, data: Path) -> None:
    source = tmp_path / "run.root"
    source.write_bytes((data / "online/muon_cc_daqevents.root").read_bytes())
    result = run(odd(chunk=125), [source], out=tmp_path / "out")
    assert {f.state for f in verify(result.out)} == {"same"}
    assert {f.kind for f in verify(result.out)} == {"input", "output", "part", "code", "environment"}
    assert {f.state for f in verify(result.outputs[0])} == {"same"}
    source.write_bytes(source.read_bytes() + b"!")
    result.outputs[0].unlink()
    part = result.out / "parts" / result.receipts[0].outputs[0].name
    part.write_bytes(part.read_bytes()[:-1] + b"!")
    bad = {(f.kind, f.state) for f in verify(result.out) if f.state != "same"}
    assert bad == {("input", "changed"), ("output", "gone"), ("part", "changed")}
    assert {f.kind for f in verify(result.out, parts=False) if f.state != "same"} == {"input", "output"}


def test_verify_another_environment(offline: RunResult, monkeypatch: pytest.MonkeyPatch) -> None:
    from km3gpu.pipeline import environment

    now = environment.describe()
    other = {**now, "packages": {**now["packages"], "numpy": "9.9"}}
    monkeypatch.setattr(environment, "describe", lambda: other)
    [finding] = [f for f in verify(offline.out) if f.state != "same"]
    assert finding.kind == "environment"
    assert finding.detail == f"packages.numpy: {np.__version__} -> 9.9"


# -- diff ----------------------------------------------------------------------
def test_difference(tmp_path: Path, odd: PlanMaker) -> None:
    plan = odd(chunk=125)
    a = run(plan, out=tmp_path / "a")
    b = run(plan, out=tmp_path / "b", workers=2, runner="threads")
    assert {(c.section, c.key) for c in difference(a.out, b.out)} == {
        ("setting", "workers"),
        ("setting", "runner"),
    }
    plan.write_text(plan.read_text().replace('"coincidences"', '"coincidences"\nwindow = 20.0'))
    c = run(plan, out=tmp_path / "c")
    found = {(x.section, x.key): (x.a, x.b) for x in difference(a.out, c.out)}
    assert found["stage", "coincidences.window"] == ("25.0", "20.0")
    assert found["chunk", "made"] == ("2 (2 only here)", "2 (2 only here)")
    assert ("output", "events.parquet") in found
    assert ("input", str(a.plan.inputs[0].path)) not in found
    assert difference(a.outputs[0], a.outputs[0]) == []


# -- replay --------------------------------------------------------------------
def test_replay_gives_the_same_bytes(offline: RunResult) -> None:
    assert [c.state for c in replay(offline.out)] == ["identical"] * 8
    one = offline.receipts[2].id
    assert [(c.id, c.sink) for c in replay(offline.out, chunk=one[:10])] == [
        (one, "events.parquet"),
        (one, "events.h5"),
    ]
    with pytest.raises(UnknownNameError, match="no chunk 'xyz'"):
        list(replay(offline.out, chunk="xyz"))


def test_replay_without_the_parts(tmp_path: Path, odd: PlanMaker) -> None:
    out = run(odd(chunk=125), out=tmp_path / "out").out
    shutil.rmtree(out / "parts")
    assert [c.state for c in replay(out)] == ["identical"] * 2  # the journal has the digests


def test_replay_finds_what_differs(offline: RunResult, monkeypatch: pytest.MonkeyPatch) -> None:
    from km3gpu.stages import Summarise

    honest = Summarise.apply

    def off_by(amount: float) -> None:
        def apply(self: Summarise, chunk: object) -> object:
            tables, counters = honest(self, chunk)  # type: ignore[arg-type]
            events = tables["events"]
            return {**tables, "events": events.with_columns(t_last=events.flat("t_last") + amount)}, counters

        monkeypatch.setattr(Summarise, "apply", apply)

    off_by(1e-7)
    close = list(replay(offline.out, chunk=offline.receipts[0].id, rtol=1e-12, atol=1e-6))
    assert {c.state for c in close} == {"equal"}
    assert close[0].columns[0].startswith("events/t_last: ")
    off_by(1.0)
    far = list(replay(offline.out, chunk=offline.receipts[0].id, rtol=1e-12))
    assert {c.state for c in far} == {"different"}


def test_a_failed_chunk_is_reproduced_alone(
    tmp_path: Path, odd: PlanMaker, order: Callable[[str], None], seen: Callable[[], list[tuple[int, int]]]
) -> None:
    order("bad-60-always")
    with pytest.raises(RunFailedError) as error:
        run(odd(chunk=50), out=tmp_path / "out")
    [failure] = error.value.result.failures  # type: ignore[attr-defined]
    before = len(seen())
    with pytest.raises(RunFailedError, match=f"chunk {failure.id} fails: bytes that make no sense"):
        list(replay(tmp_path / "out", chunk=failure.id))
    assert seen()[before:] == [(50, 100)]


def test_columns_within_a_tolerance() -> None:
    a = np.array([1.0, np.nan, 3.0])
    assert same_within(a, a, 0, 0) == (True, 0.0)
    assert same_within(a, a + 1e-6, 0, 1e-5)[0]
    assert not same_within(a, a + 1e-3, 0, 1e-5)[0]
    assert not same_within(a, np.array([1.0, 2.0, 3.0]), 0, 1)[0]
    assert not same_within(np.arange(3), np.array([0, 1, 3]), 1, 10)[0]
    assert not same_within(a, a.astype("f4"), 1, 1)[0]
    lists = Ragged(np.array([0, 2, 3]), a)
    assert same_within(lists, lists, 0, 0) == (True, 0.0)
    assert not same_within(lists, Ragged(np.array([0, 1, 3]), a), 1, 1)[0]
    assert not same_within(lists, a, 1, 1)[0]


# -- export --------------------------------------------------------------------
def relations(document: prov.model.ProvDocument) -> Iterator[tuple[str, str, str]]:
    for record in document.get_records(prov.model.ProvRelation):
        (_, a), (_, b) = record.formal_attributes[:2]
        yield type(record).__name__, str(a), str(b)


def test_prov_accepts_it(offline: RunResult) -> None:
    text = prov_json(provenance.read(offline.out))
    document = prov.model.ProvDocument.deserialize(io.StringIO(text), format="json")
    entities = {str(e.identifier) for e in document.get_records(prov.model.ProvEntity)}
    activities = {str(a.identifier): a for a in document.get_records(prov.model.ProvActivity)}
    output = f"file:{provenance.read(offline.out)['outputs'][0]['digest'].replace(':', '-')}"
    source = f"file:{offline.plan.inputs[0].digest.replace(':', '-')}"
    assert {output, source} <= entities
    assert sum(a.startswith("km3gpu:chunk-") for a in activities) == 4
    found = set(relations(document))
    assert ("ProvDerivation", output, source) in found
    # back to the first application of the simulation, which the input itself tells
    chain = [a for a in activities.values() if str(a.identifier).startswith("jpp:")]
    assert next(str(a.label) for a in chain) == "JSirene"
    assert sum(kind == "ProvCommunication" for kind, *_ in found) == len(chain) - 1
    # written out and read again by prov itself, nothing is lost
    again = prov.model.ProvDocument.deserialize(io.StringIO(document.serialize(format="json")), format="json")
    assert again == document
    # what relations speak of is there
    known = (
        entities | activities.keys() | {str(a.identifier) for a in document.get_records(prov.model.ProvAgent)}
    )
    assert {n for _, a, b in found for n in (a, b)} <= known


def test_prov_of_an_output_and_of_a_failed_run(
    tmp_path: Path, odd: PlanMaker, order: Callable[[str], None], offline: RunResult
) -> None:
    order("bad-60-always")
    with pytest.raises(RunFailedError):
        run(odd(chunk=50), out=tmp_path / "out")
    for path in (offline.outputs[0], tmp_path / "out"):
        text = prov_json(provenance.read(path))
        document = prov.model.ProvDocument.deserialize(io.StringIO(text), format="json")
        assert document.get_records(prov.model.ProvActivity)
    assert "bytes that make no sense" in text


def test_upstream_files() -> None:
    meta = [
        {"application": "A", "command": "/x/A -a det.detx -f in.root -o out.root -S 3 -@ \"a = 1; b = 'x'\""},
        {"application": "B", "command": "B -f 'unclosed.root -n 5"},
        {"application": "C"},
    ]
    files = [s["files"] for s in upstream(meta)]
    assert files[0] == [("detector", "det.detx"), ("input", "in.root"), ("output", "out.root")]
    assert files[2] == []


def test_ro_crate(offline: RunResult) -> None:
    crate = json.loads(ro_crate(provenance.read(offline.out), "offline"))
    items = {i["@id"]: i for i in crate["@graph"]}
    assert items["ro-crate-metadata.json"]["conformsTo"]["@id"] == "https://w3id.org/ro/crate/1.1"
    for part in items["./"]["hasPart"]:
        assert part["@id"] in items
        assert (offline.out / part["@id"].removeprefix("file://")).exists()
    assert any(part["@id"].startswith("file:///") for part in items["./"]["hasPart"])
    action = items[items["./"]["mentions"]["@id"]]
    assert action["@type"] == "CreateAction"
    assert all(o["@id"] in items for o in [*action["object"], *action["result"]])
    # the specification: every crate has a licence; the profile: it is declared, with its version
    assert items[items["./"]["license"]["@id"]]["name"] == "no licence"
    assert items[items["./"]["conformsTo"]["@id"]]["version"] == "0.5"
    url = "https://creativecommons.org/licenses/by/4.0/"
    assert url in {i["@id"] for i in json.loads(ro_crate(provenance.read(offline.out), "x", url))["@graph"]}
    assert all(i["encodingFormat"] for i in crate["@graph"] if i["@type"] == "File")
    assert items["events.parquet"]["sha256"] == RunDirectory(offline.out).outputs()[0].digest[7:]

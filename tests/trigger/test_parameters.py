from __future__ import annotations

import dataclasses

import pytest

from km3gpu.errors import ConfigError, InputNotFoundError
from km3gpu.trigger import TriggerParameters, sets
from km3gpu.trigger.parameters import Coincidence


def test_the_named_sets() -> None:
    orca = sets.named("orca4")
    assert (orca.shower.number_of_hits, orca.shower.d_max_m, orca.shower.t_max_extra_ns) == (3, 52.0, 25.0)
    assert (orca.muon.road_width_m, orca.muon.d_max_m, orca.muon.grid_angle_deg) == (43.0, 164.897, 10.0)
    assert (orca.mx_shower.number_of_hits, orca.mx_shower.d_max_m) == (8, 47.0)
    assert orca.l2 == Coincidence(2, 10.0, 0.0)
    assert orca.prescales.l1 == 20
    assert "not official" in sets.named("arca133").note
    assert sets.for_detector(44) == "orca4"
    assert sets.for_detector(7) is None
    with pytest.raises(ConfigError, match=r"no set of trigger parameters 'orca6'.*there is: orca4"):
        sets.named("orca6")


@pytest.mark.parametrize("name", sets.names())
def test_json_gives_back_the_same(name: str) -> None:
    assert sets.from_json(sets.to_json(sets.named(name))) == sets.named(name)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("{", "no JSON"),
        ("[]", "no table"),
        ('{"muon": 3}', "muon of the trigger parameters must be a table"),
        ('{"moun": {}}', "unknown argument 'moun'"),
        ('{"muon": {"road": 1.0}}', "unknown argument 'road'"),
    ],
)
def test_json_that_is_none(text: str, words: str) -> None:
    with pytest.raises(ConfigError, match=words):
        sets.from_json(text)


def test_toml_on_top_of_a_set(tmp_path) -> None:
    path = tmp_path / "mine.toml"
    path.write_text('base = "orca4"\nt_max_event_ns = 2000\n\n[muon]\nroad_width_m = 50.0\n')
    got = sets.from_toml(path)
    orca = sets.named("orca4")
    muon = dataclasses.replace(orca.muon, road_width_m=50.0)
    assert got == dataclasses.replace(orca, name=str(path), t_max_event_ns=2000.0, muon=muon)
    path.write_text('[trigger]\nname = "mine"\n')
    assert sets.from_toml(path, "trigger") == TriggerParameters(name="mine")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("\n[moun]\n", "unknown key 'moun' .*line 2"),
        ("[muon]\nroad = 3.0\n", "unknown key 'road' .*line 2"),
        ("[muon]\nnumber_of_hits = 1\n", "number_of_hits = 1 is too small .*line 2"),
        ("muon = 3\n", "'muon' must be a table"),
        ("base = 3\n", "base = 3 is no name .*line 1"),
        ("[muon]\nfactory_limit = 257\n", r"muon\.factory_limit = 257 is too large; take at most 256"),
        ("[l2]\nct_min = 1.5\n", r"l2\.ct_min = 1\.5 is no cosine"),
        ("[muon]\nd_max_m = nan\n", r"muon\.d_max_m = nan is no finite number"),
        ("combine_l1 = false\n", "not supported"),
        ('[nb]\npmts = ["1-2"]\n', "'1-2' names no PMT"),
    ],
)
def test_toml_that_cannot_be(tmp_path, text: str, words: str) -> None:
    path = tmp_path / "bad.toml"
    path.write_text(text)
    with pytest.raises(ConfigError, match=words):
        sets.from_toml(path)


def test_a_file_that_is_not_there(tmp_path) -> None:
    with pytest.raises(InputNotFoundError):
        sets.from_toml(tmp_path / "none.toml")


def test_evolve() -> None:
    orca = sets.named("orca4")
    got = orca.evolve(t_max_event_ns=5.0, muon={"enabled": False})
    assert got.t_max_event_ns == 5.0
    assert got.muon == dataclasses.replace(orca.muon, enabled=False)
    with pytest.raises(ConfigError, match="unknown argument"):
        orca.evolve(muon={"enable": False})
    with pytest.raises(ConfigError, match="unknown argument"):
        orca.evolve(moun=3)


def test_pmts_of_nano_beacons() -> None:
    assert sets.named("orca4").nb.selections() == ((-1, 0), (-1, 3), (-1, 4))
    assert sets.named("orca4").evolve(nb={"pmts": ("806451572:*",)}).nb.selections() == ((806451572, -1),)

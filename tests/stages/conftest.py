from __future__ import annotations

from pathlib import Path

import pytest

import km3gpu as k3

OFFLINE = "offline/mcv6.gsg_nue-CCHEDIS_1e4-1e6GeV.sirene.jte.jchain.aanet.1.root"
OFFLINE_DETX = "detx/KM3NeT_-00000001_20171212.detx"
DAQ = "online/muon_cc_daqevents.root"
DAQ_DATX = "datx/KM3NeT_00000133_20221025.datx"


@pytest.fixture(scope="session")
def offline(data: Path) -> k3.Chunk:
    return k3.open(data / OFFLINE).read()


@pytest.fixture(scope="session")
def offline_detector(data: Path) -> k3.Detector:
    return k3.Detector.open(data / OFFLINE_DETX)


@pytest.fixture(scope="session")
def daq(data: Path) -> k3.Chunk:
    return k3.open(data / DAQ).read()


@pytest.fixture(scope="session")
def daq_detector(data: Path) -> k3.Detector:
    return k3.Detector.open(data / DAQ_DATX)

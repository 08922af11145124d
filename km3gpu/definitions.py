"""Numbers that the KM3NeT data format gives names to.

They are those of km3net-dataformat 3.6.2 (its ``definitions/*.csv``); members
have the names they have there, less a prefix that the class already says.
Where one number has several names, the first is the one a value prints as.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Any

from km3gpu.errors import UnknownNameError

__all__ = [
    "W2LISTS",
    "DaqDataType",
    "FitParameter",
    "RecStage",
    "RecType",
    "TrackStatus",
    "Trigger",
    "W2ListGenhen",
    "W2ListGseagen",
    "W2ListKm3buu",
    "W2ListKm3neut",
    "Weight",
    "is_bit_set",
    "w2list_of",
]


class Trigger(IntEnum):
    """Bits of a trigger mask."""

    JTRIGGER3DSHOWER = 1
    JTRIGGERMXSHOWER = 2
    JTRIGGER3DMUON = 4
    JTRIGGERNB = 5
    FACTORY_LIMIT = 31


class RecType(IntEnum):
    """Reconstruction that made a track (``rec_type``)."""

    UNKNOWN = -1
    AANET = 101
    DUSJ = 200
    JPP = 4000


class RecStage(IntEnum):
    """Stages that led to a track (``rec_stages``); BEGIN and END bound those of one reconstruction."""

    UNKNOWN = -1
    JMUONBEGIN = 0
    JMUONPREFIT = 1
    JMUONSIMPLEX = 2
    JMUONGANDALF = 3
    JMUONENERGY = 4
    JMUONSTART = 5
    JLINEFIT = 6
    JMUONFEATURES = 7
    JMUONEND = 99
    JSHOWERBEGIN = 100
    JSHOWERPREFIT = 101
    JSHOWERPOSITIONFIT = 102
    JSHOWERCOMPLETEFIT = 103
    JSHOWER_BJORKEN_Y = 104
    JSHOWERENERGYPREFIT = 105
    JSHOWERPOINTSIMPLEX = 106
    JSHOWERDIRECTIONPREFIT = 107
    JSHOWEREND = 199
    DUSJSHOWERBEGIN = 200
    DUSJSHOWERPREFIT = 201
    DUSJSHOWERPOSITIONFIT = 202
    DUSJSHOWERCOMPLETEFIT = 203
    DUSJSHOWEREND = 299
    AASHOWERBEGIN = 300
    AASHOWERFITPREFIT = 302
    AASHOWERFITPOSITIONFIT = 303
    AASHOWERFITDIRECTIONENERGYFIT = 304
    AASHOWEREND = 399
    JUSERBEGIN = 1000
    JMUONVETO = 1001
    JMUONPATH = 1003
    JMCEVT = 1004
    JUSEREND = 1099


class FitParameter(IntEnum):
    """Places in ``fitinf``."""

    JGANDALF_BETA0_RAD = 0
    JGANDALF_BETA1_RAD = 1
    JGANDALF_CHI2 = 2
    JGANDALF_NUMBER_OF_HITS = 3
    JENERGY_ENERGY = 4
    JENERGY_CHI2 = 5
    JGANDALF_LAMBDA = 6
    JGANDALF_NUMBER_OF_ITERATIONS = 7
    JSTART_NPE_MIP = 8
    JSTART_NPE_MIP_TOTAL = 9
    JSTART_LENGTH_METRES = 10
    JVETO_NPE = 11
    JVETO_NUMBER_OF_HITS = 12
    JENERGY_MUON_RANGE_METRES = 13
    JENERGY_NOISE_LIKELIHOOD = 14
    JENERGY_NDF = 15
    JENERGY_NUMBER_OF_HITS = 16
    JCOPY_Z_M = 17
    JPP_COVERAGE_ORIENTATION = 18
    JPP_COVERAGE_POSITION = 19
    JENERGY_MINIMAL_ENERGY = 20
    JENERGY_MAXIMAL_ENERGY = 21
    JSTART_NPE_MIP_MISSED = 22
    JMUONFEATURES_NUMBER_OF_DOMS = 23
    JMUONFEATURES_NUMBER_OF_LINES = 24
    JMUONFEATURES_NUMBER_OF_HITS = 25
    JSHOWERFIT_ENERGY = 4
    AASHOWERFIT_ENERGY = 0
    AASHOWERFIT_NUMBER_OF_HITS = 1


class W2ListGenhen(IntEnum):
    """Places in ``w2list`` of GENHEN."""

    GLOBAL_GEN_WEIGHT = 0
    EG = 1
    SIG = 2
    COLUMN_DEPTH = 3
    P_EARTH = 4
    REFF = 5
    BX = 7
    BY = 8
    ICHAN = 9
    CC = 10


class W2ListGseagen(IntEnum):
    """Places in ``w2list`` of gSeaGen."""

    PS = 0
    EG = 1
    XSEC_MEAN = 2
    COLUMN_DEPTH = 3
    P_EARTH = 4
    WATER_INT_LEN = 5
    P_SCALE = 6
    BX = 7
    BY = 8
    ICHAN = 9
    CC = 10
    DISTAMAX = 11
    WATERXSEC = 12
    XSEC = 13
    DXSEC = 14
    TARGETA = 15
    TARGETZ = 16
    VERINCAN = 17
    LEPINCAN = 18
    N_RETRIES = 19
    CUSTOM_YAW = 20
    CUSTOM_PITCH = 21
    CUSTOM_ROLL = 22


class W2ListKm3buu(IntEnum):
    """Places in ``w2list`` of KM3BUU."""

    PS = 0
    EG = 1
    XSEC_MEAN = 2
    COLUMN_DEPTH = 3
    P_EARTH = 4
    WATER_INT_LEN = 5
    BX = 7
    BY = 8
    ICHAN = 9
    CC = 10
    XSEC = 13
    DXSEC = 14
    TARGETA = 15
    TARGETZ = 16
    VERINCAN = 17
    LEPINCAN = 18
    GIBUU_WEIGHT = 23
    GIBUU_SCAT_TYPE = 24
    LEPPROP_SAMPLES = 25


class W2ListKm3neut(IntEnum):
    """Places in ``w2list`` of km3neut."""

    PS = 0
    EG = 1
    XSEC_MEAN = 2
    COLUMN_DEPTH = 3
    P_EARTH = 4
    WATER_INT_LEN = 5
    P_SCALE = 6
    BX = 7
    BY = 8
    ICHAN = 9
    CC = 10
    WATERXSEC = 12
    XSEC = 13
    DXSEC = 14
    TARGETA = 15
    TARGETZ = 16
    VERINCAN = 17
    LEPINCAN = 18
    MODE = 19


class Weight(IntEnum):
    """Places in ``w``."""

    GENERATION_AREA = 0
    GENERATION_VOLUME = 0
    DIFFERENTIAL_EVENT_RATE = 1
    EVENT_RATE = 2
    NORMALISATION = 3
    RESCALED_EVENT_RATE = 4
    RUN_BY_RUN_WEIGHT = 5


class TrackStatus(IntEnum):
    """Status of a simulated particle (``status`` of mc_tracks)."""

    UNDEFINED = 0
    FINALSTATE = 1
    INTERSTATE = 2
    DECSTATE = 3
    ININUCLEI = 5
    NUCTGT = 11
    PREHAD = 12
    PRERES = 13
    HADNUC = 14
    NUCLREM = 15
    NUCLCLT = 16
    FAKECORSIKA = 21
    FAKECORSIKA_DEC_MU_START = 22
    FAKECORSIKA_DEC_MU_END = 23
    FAKECORSIKA_ETA_2GAMMA = 24
    FAKECORSIKA_ETA_3PI0 = 25
    FAKECORSIKA_ETA_PIP_PIM_PI0 = 26
    FAKECORSIKA_ETA_2PI_GAMMA = 27
    FAKECORSIKA_CHERENKOV_GAMMA = 28
    PRIMARYNEUTRINO = 100
    PRIMARYCOSMIC = 200
    MUONBUNDLE = 300
    PROPLEPTON = 1001
    PROPDECLEPTON = 2001


class DaqDataType(IntEnum):
    """Types of records in the DAQ stream."""

    SUPERFRAME = 101
    SUMMARYFRAME = 201
    TIMESLICE = 1001
    TIMESLICEL0 = 1002
    TIMESLICEL1 = 1003
    TIMESLICEL2 = 1004
    TIMESLICESN = 1005
    SUMMARYSLICE = 2001
    EVENT = 10001


W2LISTS: dict[str, type[IntEnum]] = {
    "genhen": W2ListGenhen,
    "gseagen": W2ListGseagen,
    "km3buu": W2ListKm3buu,
    "km3neut": W2ListKm3neut,
}
"""What the places in ``w2list`` mean, by generator."""


def w2list_of(generator: str) -> type[IntEnum]:
    """Give the meaning of ``w2list`` for a generator, whatever its capitals.

    Raises
    ------
    UnknownNameError
        The data format does not know it.
    """
    try:
        return W2LISTS[generator.lower()]
    except KeyError:
        raise UnknownNameError.of("generator", generator, W2LISTS) from None


def is_bit_set(mask: Any, bit: int) -> Any:
    """Tell whether a bit of a mask is set.

    Parameters
    ----------
    mask : int or integer array
        Trigger mask or status word.
    bit : int
        Counted from 0, the least one.

    Returns
    -------
    bool or bool array
    """
    return (mask & (1 << int(bit))) != 0

"""Status bits of modules and PMTs, as the KM3NeT data format defines them."""

from __future__ import annotations

from enum import IntFlag

__all__ = ["ModuleStatus", "PmtStatus"]


class ModuleStatus(IntFlag):
    """Why a module, or a part of it, is not to be used; 0 is a good one.

    The bits are those of ``module_status`` in km3net-dataformat.
    """

    DISABLE = 1 << 0
    COMPASS_DISABLE = 1 << 1
    HYDROPHONE_DISABLE = 1 << 2
    PIEZO_DISABLE = 1 << 3
    OUT_OF_SYNC = 1 << 4
    TRANSMITTER_DISABLE = 1 << 5


class PmtStatus(IntFlag):
    """Why a PMT is not to be used, or a veto of it not to be believed; 0 is a good one.

    The bits are those of ``pmt_status`` in km3net-dataformat.
    """

    DISABLE = 1 << 0
    HIGH_RATE_VETO_DISABLE = 1 << 1
    FIFO_FULL_DISABLE = 1 << 2
    UDP_COUNTER_DISABLE = 1 << 3
    UDP_TRAILER_DISABLE = 1 << 4
    OUT_OF_SYNC = 1 << 5

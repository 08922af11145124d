"""The one table of every field: name, dtype, unit, frame, meaning, ROOT branch.

Readers, checks, file metadata and the documentation all take from here.  Names
follow the KM3NeT offline data format (km3net-dataformat) and km3io where that
has a name; the same name means the same thing whatever file it came from.

Angles are radians.  ``detector`` is the detector's own frame: x along UTM
Easting, y along UTM Northing, z up, metres from the UTM reference point of the
detector description.  Directions of tracks are where the particle travels to.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from dataclasses import dataclass

from km3gpu.errors import UnknownNameError

__all__ = ["FIELDS", "Field", "field", "fields_of"]


@dataclass(frozen=True)
class Field:
    """One field of one table.

    Attributes
    ----------
    table, name : str
        ``hits``, ``pos_x``.
    dtype : str
        NumPy dtype in the offline format; ``[...]`` around it for each level
        of list, ``str`` for text.
    unit : str
        Unit, ``""`` where there is none.
    frame : str
        ``"detector"``, ``"sky (ICRS)"`` or ``""``.
    meaning : str
        One sentence.
    branch : str
        Leaf of the offline tree ``E``, relative to its collection; ``""`` for
        a field that no offline branch holds.
    daq_dtype : str
        dtype in DAQ files where it is narrower; ``""`` where it is the same.
    default : float or None
        Value where a file lacks the branch; None: the column is left out.
    """

    table: str
    name: str
    dtype: str
    unit: str
    frame: str
    meaning: str
    branch: str = ""
    daq_dtype: str = ""
    default: float | None = None


_HIT = (
    # name, dtype, unit, frame, meaning, branch, daq dtype, default
    ("id", "i4", "", "", "Identifier of the hit within its event.", "id", "", None),
    ("dom_id", "i4", "", "", "Identifier of the optical module.", "dom_id", "", None),
    ("channel_id", "u4", "", "", "PMT channel within the module, 0 to 30.", "channel_id", "u1", None),
    ("tdc", "u4", "ns", "", "Hit time as stored, ns since the start of the frame.", "tdc", "", None),
    ("tot", "u4", "ns", "", "Time over threshold.", "tot", "u1", None),
    ("trig", "u8", "", "", "Trigger bits of the hit, 0 for a snapshot hit.", "trig", "", None),
    ("pmt_id", "i4", "", "", "Identifier of the PMT within the detector.", "pmt_id", "", None),
    ("t", "f8", "ns", "", "Calibrated hit time; for simulated hits the true time.", "t", "", None),
    ("a", "f8", "npe", "", "Amplitude of the hit.", "a", "", None),
    ("pos_x", "f8", "m", "detector", "Position of the PMT, x.", "pos.x", "", None),
    ("pos_y", "f8", "m", "detector", "Position of the PMT, y.", "pos.y", "", None),
    ("pos_z", "f8", "m", "detector", "Position of the PMT, z.", "pos.z", "", None),
    ("dir_x", "f8", "", "detector", "Axis of the PMT (outward), x.", "dir.x", "", None),
    ("dir_y", "f8", "", "detector", "Axis of the PMT (outward), y.", "dir.y", "", None),
    ("dir_z", "f8", "", "detector", "Axis of the PMT (outward), z.", "dir.z", "", None),
    ("type", "i4", "", "", "Particle type or parametrisation of a simulated hit.", "type", "", None),
    ("origin", "i4", "", "", "Track id of the track that made the hit.", "origin", "", None),
    ("pattern_flags", "u4", "", "", "Pattern flags of the DAQ hit.", "pattern_flags", "", None),
    ("pure_t", "f8", "ns", "", "Time of the photon before the simulation of the PMT.", "pure_t", "", None),
    ("pure_a", "f8", "npe", "", "Amplitude before the simulation of the PMT.", "pure_a", "", None),
    ("usr", "[f8]", "", "", "User values.", "usr", "", None),
    ("usr_names", "[str]", "", "", "Names of the user values.", "usr_names", "", None),
)

_HIT_MADE = (
    ("du", "i4", "", "", "Detection unit (string) of the module."),
    ("floor", "i4", "", "", "Floor of the module, 0 for a base module."),
    ("cluster_id", "i8", "", "", "Cluster of the event that the hit is in, -1 for none."),
    ("multiplicity", "i4", "", "", "Hits of the module from this one up to a window later."),
    ("pmt_multiplicity", "i4", "", "", "Distinct PMTs of the module from this hit up to a window later."),
    ("quality", "u1", "", "", "Bits that say why the hit is not to be trusted, 0 for a good one."),
    ("qe", "f8", "", "", "Quantum efficiency of the PMT relative to the nominal one, 0 for one that is off."),
    ("trigger_mask", "u8", "", "", "Trigger bits of the hit that km3gpu found; `trig` is the file's."),
    ("signal", "b1", "", "", "A simulated hit of the same PMT fits the time of the hit."),
    ("residual", "f8", "ns", "", "How much later the hit came than light of the event's track or shower."),
    ("distance", "f8", "m", "", "Distance of the PMT from the event's track or shower."),
    ("on_light", "b1", "", "", "Residual and distance are within the ranges of the stage light_select."),
    ("causal", "b1", "", "", "The vertex or track of the event can have caused the hit."),
    ("clean", "b1", "", "", "The hit is a seed, or near hits that grew from seeds."),
    ("isolated", "b1", "", "", "The hit has too few neighbours in space and time."),
    ("mc_hit", "i8", "", "", "Row of the simulated hit within its event, -1 for none."),
)

_TRACK = (
    ("id", "i4", "", "", "Identifier of the track within its event.", "id", "", None),
    ("pos_x", "f8", "m", "detector", "Position at time t, x.", "pos.x", "", None),
    ("pos_y", "f8", "m", "detector", "Position at time t, y.", "pos.y", "", None),
    ("pos_z", "f8", "m", "detector", "Position at time t, z.", "pos.z", "", None),
    ("dir_x", "f8", "", "detector", "Direction of travel, x.", "dir.x", "", None),
    ("dir_y", "f8", "", "detector", "Direction of travel, y.", "dir.y", "", None),
    ("dir_z", "f8", "", "detector", "Direction of travel, z.", "dir.z", "", None),
    ("t", "f8", "ns", "", "Time of the track at its position.", "t", "", None),
    ("E", "f8", "GeV", "", "Energy.", "E", "", None),
    ("len", "f8", "m", "", "Length.", "len", "", None),
    ("lik", "f8", "", "", "Likelihood or quality of the fit, larger is better.", "lik", "", None),
    ("type", "i4", "", "", "PDG code of the particle.", "type", "", None),
    (
        "rec_type",
        "i4",
        "",
        "",
        "Reconstruction that made the track (4000 Jpp, 101 aanet, 200 dusj).",
        "rec_type",
        "",
        None,
    ),
    ("status", "i4", "", "", "Status of the particle in the generator.", "status", "", 0),
    ("mother_id", "i4", "", "", "Track id of the mother particle, -1 where unknown.", "mother_id", "", -1),
    ("counter", "i4", "", "", "Counter of the particle.", "counter", "", 0),
    ("rec_stages", "[i4]", "", "", "Reconstruction stages that led to the track.", "rec_stages", "", None),
    ("fitinf", "[f8]", "", "", "Fit information, by the index of the data format.", "fitinf", "", None),
    ("hit_ids", "[i4]", "", "", "Identifiers of the hits used.", "hit_ids", "", None),
    ("error_matrix", "[f8]", "", "", "Error matrix of the fit, as stored.", "error_matrix", "", None),
    ("comment", "str", "", "", "Comment.", "comment", "", None),
    ("usr", "[f8]", "", "", "User values.", "usr", "", None),
    ("usr_names", "[str]", "", "", "Names of the user values.", "usr_names", "", None),
)

_EVENT = (
    ("id", "i4", "", "", "Identifier of the offline event.", "id", "", None),
    ("det_id", "i4", "", "", "Identifier of the detector.", "det_id", "", None),
    ("mc_id", "i4", "", "", "Identifier of the simulated event.", "mc_id", "", None),
    ("run_id", "i4", "", "", "Number of the run.", "run_id", "", None),
    ("mc_run_id", "i4", "", "", "Number of the simulated run.", "mc_run_id", "", None),
    (
        "frame_index",
        "i4",
        "",
        "",
        "Index of the frame (timeslice) in its run, from 1.",
        "frame_index",
        "",
        None,
    ),
    ("trigger_mask", "u8", "", "", "Trigger bits of the event.", "trigger_mask", "", None),
    ("trigger_counter", "u8", "", "", "Counter of the trigger.", "trigger_counter", "", None),
    ("overlays", "u4", "", "", "Number of merged sub-events, less one.", "overlays", "", None),
    ("t_sec", "i4", "s", "", "Start of the frame, whole seconds since 1970 (UTC).", "t/t.fSec", "", None),
    ("t_ns", "i4", "ns", "", "Start of the frame, ns on top of t_sec.", "t/t.fNanoSec", "", None),
    ("mc_t", "f8", "ns", "", "Time of the simulated event.", "mc_t", "", None),
    (
        "mc_event_time_sec",
        "i4",
        "s",
        "",
        "Time of the simulated event, whole seconds since 1970 (UTC).",
        "mc_event_time/mc_event_time.fSec",
        "",
        None,
    ),
    (
        "mc_event_time_ns",
        "i4",
        "ns",
        "",
        "Time of the simulated event, ns on top of mc_event_time_sec.",
        "mc_event_time/mc_event_time.fNanoSec",
        "",
        None,
    ),
    (
        "header_uuid",
        "u1",
        "",
        "",
        "UUID of the header the event belongs to, 16 bytes.",
        "header_uuid[16]",
        "",
        None,
    ),
    ("index", "i4", "", "", "Index of the event.", "index", "", None),
    ("flags", "i4", "", "", "User flags.", "flags", "", None),
    ("w", "[f8]", "", "", "Event weights.", "w", "", None),
    ("w2list", "[f8]", "", "", "Factors of the weight w2, by generator.", "w2list", "", None),
    ("w3list", "[f8]", "", "", "Atmospheric flux weights.", "w3list", "", None),
    ("comment", "str", "", "", "Comment.", "comment", "", None),
    ("usr", "[f8]", "", "", "User values.", "AAObject/usr", "", None),
    ("usr_names", "[str]", "", "", "Names of the user values.", "AAObject/usr_names", "", None),
)

_EVENT_MADE = (
    ("entry", "i8", "", "", "Number of the entry of the tree that the event was read from."),
    ("label", "str", "", "", "Label of the dataset of the plan that the event is of."),
    ("run_livetime", "f8", "s", "", "Livetime of the run of the event, as a run list has it."),
    ("time_ns", "i8", "ns", "", "Start of the frame, int64 ns since 1970 (UTC)."),
    ("white_rabbit", "b1", "", "", "The clock was locked to White Rabbit."),
    ("n_hits", "i8", "", "", "Hits of the event."),
    ("n_triggered", "i8", "", "", "Triggered hits of the event."),
    ("n_clusters", "i8", "", "", "Same-module coincidences of the event."),
    ("n_l1", "i8", "", "", "L1 coincidences of the event, as the stage summarise counts them."),
    ("n_l2", "i8", "", "", "L2 coincidences of the event, as the stage summarise counts them."),
    ("n_doms", "i8", "", "", "Modules with a hit."),
    ("tot_sum", "f8", "ns", "", "Sum of time over threshold of the hits."),
    ("t_first", "f8", "ns", "", "Earliest hit time."),
    ("t_last", "f8", "ns", "", "Latest hit time."),
    ("centre_x", "f8", "m", "detector", "Mean position of the hits by time over threshold, x."),
    ("centre_y", "f8", "m", "detector", "Mean position of the hits by time over threshold, y."),
    ("centre_z", "f8", "m", "detector", "Mean position of the hits by time over threshold, z."),
    ("inertia_1", "f8", "m^2", "", "Smallest eigenvalue of the tensor of inertia of the hits."),
    ("inertia_2", "f8", "m^2", "", "Middle eigenvalue of the tensor of inertia of the hits."),
    ("inertia_3", "f8", "m^2", "", "Largest eigenvalue of the tensor of inertia of the hits."),
    ("extent", "f8", "m", "", "Largest distance of a hit from the mean position of the hits."),
    (
        "stored_trigger_mask",
        "u8",
        "",
        "",
        "Trigger bits of the event in the file, once km3gpu found its own.",
    ),
    ("root_frame", "i4", "", "", "Frame of the first root that the event was triggered from."),
    ("continued", "b1", "", "", "The event goes on with one that had become too long."),
    ("own", "b1", "", "", "A slice of the chunk itself, not of those read around it."),
    ("mc_offset", "f8", "ns", "", "Time of hits less that of simulated hits, NaN where not found."),
    ("best_track", "i8", "", "", "Row of the best track among the event's tracks, -1 for none."),
    ("track_lik", "f8", "", "", "Likelihood of the best track."),
    ("track_E", "f8", "GeV", "", "Energy of the best track."),
    ("track_t", "f8", "ns", "", "Time of the best track at its position."),
    ("track_pos_x", "f8", "m", "detector", "Position of the best track, x."),
    ("track_pos_y", "f8", "m", "detector", "Position of the best track, y."),
    ("track_pos_z", "f8", "m", "detector", "Position of the best track, z."),
    ("track_dir_x", "f8", "", "detector", "Direction of travel of the best track, x."),
    ("track_dir_y", "f8", "", "detector", "Direction of travel of the best track, y."),
    ("track_dir_z", "f8", "", "detector", "Direction of travel of the best track, z."),
    ("track_time_ns", "i8", "ns", "", "Arrival time of the best track, int64 ns since 1970 (UTC)."),
    ("zenith", "f8", "rad", "detector", "Zenith angle of where the best track comes from."),
    (
        "azimuth",
        "f8",
        "rad",
        "detector",
        "Azimuth of where the best track comes from, from grid East towards North.",
    ),
    ("ra", "f8", "rad", "sky (ICRS)", "Right ascension of where the best track comes from."),
    ("dec", "f8", "rad", "sky (ICRS)", "Declination of where the best track comes from."),
    ("healpix", "i8", "", "", "HEALPix pixel that the best track comes from, -1 for none."),
    ("selected", "b1", "", "", "The event fulfils the conditions of the stage sky_select."),
    ("source", "i4", "", "", "Row of the nearest source of the list of sky_select, -1 for none."),
    ("source_separation", "f8", "rad", "", "Angle to the nearest source of that list."),
)

_CLUSTER = (
    ("dom_id", "i4", "", "", "Module of the coincidence."),
    ("t_first", "f8", "ns", "", "Time of the first hit."),
    ("t_last", "f8", "ns", "", "Time of the last hit."),
    ("n_hits", "i4", "", "", "Hits of the coincidence."),
    ("n_pmts", "i4", "", "", "Distinct PMTs of the coincidence."),
    ("tot_sum", "f8", "ns", "", "Sum of time over threshold."),
    ("pos_x", "f8", "m", "detector", "Position of the PMT of the first hit, x."),
    ("pos_y", "f8", "m", "detector", "Position of the PMT of the first hit, y."),
    ("pos_z", "f8", "m", "detector", "Position of the PMT of the first hit, z."),
)

_TRIGGERED = (
    ("trigger_mask", "u8", "", "", "Trigger bits of the triggered event."),
    ("overlays", "u4", "", "", "Number of merged sub-events, less one."),
    ("t_first", "f8", "ns", "", "Time of its first triggered hit."),
    ("t_last", "f8", "ns", "", "Time of its last triggered hit."),
    ("n_hits", "i4", "", "", "Triggered hits."),
)

_SCORE = (
    ("bit", "i4", "", "", "Number of the trigger's bit; -1 for simulated light."),
    ("stored", "b1", "", "", "The file says that the event has it."),
    ("found", "b1", "", "", "It was found."),
    ("n_stored", "i4", "", "", "Hits that have it in the file."),
    ("n_found", "i4", "", "", "Hits that were found with it."),
    ("n_both", "i4", "", "", "Hits of both."),
)

_TRUTH_SCORE = (
    ("selection", "i4", "", "", "Number of the selection of hits, by km3gpu.stages.score_truth."),
    ("n_signal", "i4", "", "", "Hits that are simulated light."),
    ("n_selected", "i4", "", "", "Hits that are selected."),
    ("n_both", "i4", "", "", "Hits of both."),
)

_FRAME = (
    ("dom_id", "i4", "", "", "Module that sent the frame."),
    ("n_hits", "i4", "", "", "Hits of the frame; they follow each other in the slice."),
    ("rates", "f8", "Hz", "", "Rate of each of the 31 PMTs, 0 or 2 kHz to 2 MHz."),
    ("rate_codes", "u1", "", "", "Rate of each of the 31 PMTs as stored, on a logarithmic scale."),
    ("hrv", "u4", "", "", "High-rate veto, bit i for PMT i."),
    ("fifo", "u4", "", "", "FIFO almost full, bit i for PMT i."),
    ("white_rabbit", "b1", "", "", "The clock was locked to White Rabbit."),
    ("udp_trailer", "b1", "", "", "The trailing UDP packet came."),
    ("udp_packets", "u2", "", "", "UDP packets received."),
    ("udp_highest", "u2", "", "", "Highest sequence number of the UDP packets."),
    ("daq_ok", "b1", "", "", "All UDP packets came, and the trailer."),
    ("checks", "u1", "", "", "Faults by Jpp's rules: 1 UDP, 2 PMT, 4 TDC, 8 order of times."),
)


def _fields() -> Iterator[Field]:
    for table in ("hits", "triggered_hits", "mc_hits"):
        yield from (Field(table, *row) for row in _HIT)
        yield from (Field(table, *row) for row in _HIT_MADE)
    for table in ("tracks", "mc_tracks"):
        yield from (Field(table, *row) for row in _TRACK)
    yield from (Field("events", *row) for row in _EVENT)
    yield from (Field("events", *row) for row in _EVENT_MADE)
    yield from (Field("clusters", *row) for row in _CLUSTER)
    yield from (Field("frames", *row) for row in _FRAME)
    yield from (Field("triggers", *row) for row in _TRIGGERED)
    yield from (Field("scores", *row) for row in _SCORE)
    yield from (Field("truth_scores", *row) for row in _TRUTH_SCORE)


FIELDS: dict[tuple[str, str], Field] = {(f.table, f.name): f for f in _fields()}


def field(table: str, name: str) -> Field:
    """Look up one field.

    Raises
    ------
    UnknownNameError
        The table has no such field; the closest come first.
    """
    try:
        return FIELDS[table, name]
    except KeyError:
        raise UnknownNameError.of(
            "field", name, [n for t, n in FIELDS if t == table], where=f"table {table!r}"
        ) from None


@functools.cache
def fields_of(table: str) -> tuple[Field, ...]:
    """Give all fields of a table, in order."""
    return tuple(f for f in FIELDS.values() if f.table == table)

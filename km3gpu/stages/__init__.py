"""The user's verbs: each turns a chunk into a chunk.

Each verb is a function (``calibrate(chunk, detector)``) and a stage of a plan
(``Calibrate``), in a file of its own.
"""

from __future__ import annotations

from km3gpu.stages.best_track import BestTrack, best_track
from km3gpu.stages.build_events import BuildEvents, build_events
from km3gpu.stages.calibrate import Calibrate, calibrate
from km3gpu.stages.causality import Causality, causality
from km3gpu.stages.clean import Clean, Isolated, clean, isolated
from km3gpu.stages.coincidences import Coincidences, coincidences
from km3gpu.stages.concat import Concat, concat
from km3gpu.stages.date import Date, date
from km3gpu.stages.deduplicate import Deduplicate, deduplicate
from km3gpu.stages.efficiency import Efficiency, efficiency
from km3gpu.stages.event_builder import EventBuilder
from km3gpu.stages.flag import Flag, flag
from km3gpu.stages.function import Function
from km3gpu.stages.header import Header, header
from km3gpu.stages.healpix import Healpix, healpix
from km3gpu.stages.light_select import LightSelect, light_select
from km3gpu.stages.livetime import Livetime, livetime
from km3gpu.stages.locate import Locate, locate
from km3gpu.stages.map import Map, map_columns
from km3gpu.stages.noise import noise
from km3gpu.stages.quality import Quality
from km3gpu.stages.rates import coincidence_rates, pmt_rates, tot_distributions
from km3gpu.stages.runs import Runs, runs
from km3gpu.stages.sample import Sample, sample
from km3gpu.stages.score import Score, score
from km3gpu.stages.score_truth import ScoreTruth, score_truth
from km3gpu.stages.select import Select, select
from km3gpu.stages.sky_select import SkySelect, sky_select
from km3gpu.stages.sort import Sort, sort
from km3gpu.stages.split import Split, split
from km3gpu.stages.stage import Stage, known, make, needed
from km3gpu.stages.summarise import Summarise, summarise
from km3gpu.stages.triggers import Triggers, triggers
from km3gpu.stages.truth import Truth, truth
from km3gpu.stages.veto import Veto, veto

__all__ = [
    "BestTrack",
    "BuildEvents",
    "Calibrate",
    "Causality",
    "Clean",
    "Coincidences",
    "Concat",
    "Date",
    "Deduplicate",
    "Efficiency",
    "EventBuilder",
    "Flag",
    "Function",
    "Header",
    "Healpix",
    "Isolated",
    "LightSelect",
    "Livetime",
    "Locate",
    "Map",
    "Quality",
    "Runs",
    "Sample",
    "Score",
    "ScoreTruth",
    "Select",
    "SkySelect",
    "Sort",
    "Split",
    "Stage",
    "Summarise",
    "Triggers",
    "Truth",
    "Veto",
    "best_track",
    "build_events",
    "calibrate",
    "causality",
    "clean",
    "coincidence_rates",
    "coincidences",
    "concat",
    "date",
    "deduplicate",
    "efficiency",
    "flag",
    "header",
    "healpix",
    "isolated",
    "known",
    "light_select",
    "livetime",
    "locate",
    "make",
    "map_columns",
    "needed",
    "noise",
    "pmt_rates",
    "runs",
    "sample",
    "score",
    "score_truth",
    "select",
    "sky_select",
    "sort",
    "split",
    "summarise",
    "tot_distributions",
    "triggers",
    "truth",
    "veto",
]

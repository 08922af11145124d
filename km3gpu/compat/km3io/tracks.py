"""km3io's tools for tracks: which match by their stages, and which is the best."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import awkward as ak

from km3gpu import definitions as _d

__all__ = [
    "apply_mask",
    "best_aashower",
    "best_dusjshower",
    "best_jmuon",
    "best_jshower",
    "best_track",
    "count_nested",
    "get_multiplicity",
    "has_aashower",
    "has_dusjshower",
    "has_jmuon",
    "has_jshower",
    "mask",
]


def mask(
    arr: Any,
    sequence: Iterable[int] | None = None,
    startend: tuple[int, int] | None = None,
    minmax: tuple[int, int] | None = None,
    atleast: Iterable[int] | None = None,
) -> Any:
    """Tell which of the innermost lists fulfil a condition.

    Parameters
    ----------
    arr : array of lists
        Such as ``rec_stages``.
    sequence : list of int
        Exactly these, in this order.
    startend : (int, int)
        The first and the last.
    minmax : (int, int)
        All within this range, and not empty.
    atleast : list of int
        All of these are among them.
    """
    asked = {"sequence": sequence, "startend": startend, "minmax": minmax, "atleast": atleast}
    if sum(v is not None for v in asked.values()) != 1:
        raise ValueError("either sequence, startend, minmax or atleast must be specified.")
    n = ak.num(arr, axis=-1)
    if startend is not None:
        first, last = (ak.firsts(a, axis=-1) for a in (arr, arr[..., ::-1]))
        return ak.fill_none((first == int(startend[0])) & (last == int(startend[1])), False)
    if minmax is not None:
        low, high = map(int, minmax)  # numpy takes no IntEnum
        return (n > 0) & ak.all((arr >= low) & (arr <= high), axis=-1)
    if atleast is not None:
        found = n >= 0
        for value in atleast:
            found = found & ak.any(arr == int(value), axis=-1)
        return found
    wanted = list(sequence or ())
    found = n == len(wanted)
    padded = ak.pad_none(arr, max(len(wanted), 1), axis=-1)
    for k, value in enumerate(wanted):
        found = found & ak.fill_none(padded[..., k] == int(value), False)
    return found


def best_track(
    tracks: Any,
    startend: tuple[int, int] | None = None,
    minmax: tuple[int, int] | None = None,
    stages: list[int] | set[int] | None = None,
) -> Any:
    """Take the best track of each event: of those that match, the ones with most stages, then best lik.

    Parameters
    ----------
    tracks : Branch or array of tracks
        Of several events, or of one.
    startend, minmax, stages
        Which tracks match, by their stages; exactly one is given.  A list of
        stages is exact, a set must be contained.
    """
    if sum(v is not None for v in (stages, startend, minmax)) != 1:
        raise ValueError("either stages, startend or minmax must be specified.")
    if stages is not None and not isinstance(stages, (list, set)):
        raise ValueError("stages must be a list or a set of integers")
    matching = mask(
        tracks.rec_stages,
        sequence=stages if isinstance(stages, list) else None,
        atleast=sorted(stages) if isinstance(stages, set) else None,
        startend=startend,
        minmax=minmax,
    )
    n_dim = getattr(tracks, "ndim", 1)
    axis = 1 if n_dim == 2 else 0
    tracks = _masked(tracks, matching)
    lengths = ak.num(tracks.rec_stages, axis=-1)
    tracks = _masked(tracks, lengths == ak.max(lengths, axis=axis))
    tracks = _masked(tracks, ak.argmax(tracks.lik, axis=axis, keepdims=True))
    if n_dim == 2:
        return tracks[:, 0]
    if isinstance(tracks, ak.Record):
        return ak.Record({f: tracks[f][0] for f in tracks.fields})
    return tracks[0]


def _masked(tracks: Any, index: Any) -> Any:
    if isinstance(tracks, ak.Record):
        return ak.Record({f: tracks[f][index] for f in tracks.fields})
    return tracks[index]


_RANGES = {
    "jmuon": (_d.RecStage.JMUONBEGIN, _d.RecStage.JMUONEND),
    "jshower": (_d.RecStage.JSHOWERBEGIN, _d.RecStage.JSHOWEREND),
    "aashower": (_d.RecStage.AASHOWERBEGIN, _d.RecStage.AASHOWEREND),
    "dusjshower": (_d.RecStage.DUSJSHOWERBEGIN, _d.RecStage.DUSJSHOWEREND),
}


def _has(name: str) -> Callable[[Any], Any]:
    def has(tracks: Any) -> Any:
        found = mask(tracks.rec_stages, minmax=_RANGES[name])
        return ak.any(found, axis=found.ndim - 1)

    has.__doc__ = f"Tell whether there are tracks of the {name} reconstruction."
    return has


def _best(name: str) -> Callable[[Any], Any]:
    def best(tracks: Any) -> Any:
        return best_track(tracks, minmax=_RANGES[name])

    best.__doc__ = f"Take the best track of the {name} reconstruction."
    return best


has_jmuon, has_jshower, has_aashower, has_dusjshower = (_has(n) for n in _RANGES)
best_jmuon, best_jshower, best_aashower, best_dusjshower = (_best(n) for n in _RANGES)


def count_nested(arr: Any, axis: int = 0) -> Any:
    """Count the items at a level of lists: 0, 1 or 2."""
    return ak.count(arr, axis=2) if axis == 2 else ak.num(arr, axis=axis)


def get_multiplicity(tracks: Any, rec_stages: Iterable[int]) -> Any:
    """Count the tracks with exactly these stages in each event."""
    found = tracks[mask(tracks.rec_stages, sequence=rec_stages)]
    return count_nested(found.rec_stages, axis=tracks.ndim - 1)


def apply_mask(record: Any, mask: Any) -> Any:
    """Apply a mask to tracks, or to every field of a record of them."""
    return _masked(record, mask)

"""A record in the words of W3C PROV, as PROV-JSON.

Files, parts and configurations are entities, chunks and sessions activities, the
package and the person agents.  What the Jpp applications upstream wrote about
themselves into the inputs becomes the activities before.
"""

from __future__ import annotations

import datetime as dt
import json
import re
import shlex
from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

__all__ = ["prov_json", "upstream"]

_PREFIX = {"km3gpu": "urn:km3gpu:", "jpp": "urn:jpp:", "file": "urn:file:"}
_FILE_OPTIONS = {"-a": "detector", "-f": "input", "-o": "output", "-b": "detector"}


class _Document:
    """PROV-JSON as it grows: records by kind, relations with running names."""

    def __init__(self) -> None:
        self.data: dict[str, Any] = {"prefix": dict(_PREFIX)}
        self._n = 0

    def add(self, kind: str, name: str, **attributes: Any) -> str:
        known = self.data.setdefault(kind, {}).setdefault(name, {})
        known.update(
            {k.replace("__", ":", 1): _value(v) for k, v in attributes.items() if v not in (None, "")}
        )
        return name

    def relate(self, kind: str, **roles: str) -> None:
        self._n += 1
        self.data.setdefault(kind, {})[f"_:r{self._n}"] = {f"prov:{k}": v for k, v in roles.items()}


def _value(value: Any) -> Any:
    return value if isinstance(value, str | int | float | bool) else json.dumps(value, sort_keys=True)


def _time(seconds: float | None) -> str | None:
    if seconds is None:
        return None
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat()


def prov_json(record: Mapping[str, Any]) -> str:
    """Write a record as W3C PROV-JSON.

    Parameters
    ----------
    record : mapping
        From `km3gpu.pipeline.provenance.read`.

    Returns
    -------
    str
        A PROV-JSON document (W3C member submission of 24 April 2013).
    """
    doc = _Document()
    code = doc.add(
        "agent",
        f"km3gpu:code-{record['code'].replace('+', '-')}",
        prov__type="prov:SoftwareAgent",
        km3gpu__version=record["code"],
        km3gpu__git=record.get("git"),
    )
    plan = doc.add(
        "entity",
        f"km3gpu:plan-{record['plan']}",
        prov__type="prov:Plan",
        km3gpu__stages=record["stages"],
        km3gpu__configuration=record.get("configuration"),
    )
    for digest, environment in record["environments"].items():
        doc.add(
            "entity",
            f"km3gpu:environment-{digest}",
            prov__type="km3gpu:Environment",
            **{f"km3gpu__{k}": v for k, v in environment.items()},
        )
    inputs = {i["path"]: _input(doc, i) for i in record["inputs"]}
    calibration = _calibration(record)
    for session in record.get("sessions", []):
        _session(doc, session, code, plan)
    parts = {}
    for chunk in record["chunks"]:
        files = [inputs[f] for f in calibration.get(chunk["path"], ())]
        parts[chunk["id"]] = _chunk(doc, chunk, inputs[chunk["path"]], files, code, plan)
    for failure in record.get("failures", []):
        _failure(doc, failure, inputs, code)
    _outputs(doc, record, parts, inputs, code)
    return json.dumps(doc.data, indent=1)


def _calibration(record: Mapping[str, Any]) -> dict[str, list[str]]:
    """Give the files of the calibration that each data file was made with."""
    files = [i["path"] for i in record["inputs"] if i["role"] != "data"]
    data = {i["path"]: {f for *_, f in i.get("files", ())} for i in record["inputs"] if i["role"] == "data"}
    chosen = set().union(*data.values())  # by a table, for some of the data
    return {path: [f for f in files if f in own or f not in chosen] for path, own in data.items()}


def _input(doc: _Document, i: Mapping[str, Any]) -> str:
    name = doc.add(
        "entity",
        f"file:{i['digest'].replace(':', '-')}",
        prov__label=i["path"],
        prov__type=f"km3gpu:{i['role'].capitalize()}",
        km3gpu__digest=i["digest"],
        km3gpu__bytes=i["size"],
        km3gpu__uuid=i["uuid"],
        km3gpu__tree=i["tree"],
        km3gpu__label=i.get("label"),
    )
    before = None
    for n, step in enumerate(upstream(i["meta"])):
        activity = doc.add(
            "activity",
            f"jpp:{i['digest'][-12:]}-{n}",
            prov__label=step["application"],
            prov__endTime=_iso(step.get("time")),
            **{f"jpp__{k}": v for k, v in step.items() if k not in ("files", "application", "time")},
        )
        for role, path in step["files"]:
            entity = doc.add("entity", f"jpp:{_slug(path)}", prov__label=path)
            if role == "output":
                doc.relate("wasGeneratedBy", entity=entity, activity=activity)
            else:
                doc.relate("used", activity=activity, entity=entity)
        if before is not None:
            doc.relate("wasInformedBy", informed=activity, informant=before)
        before = activity
    if before is not None:
        doc.relate("wasGeneratedBy", entity=name, activity=before)
    return name


def _session(doc: _Document, session: Mapping[str, Any], code: str, plan: str) -> None:
    ended = session.get("ended", {})
    activity = doc.add(
        "activity",
        f"km3gpu:session-{session['session']}",
        prov__startTime=_time(session["time"]),
        prov__endTime=_time(ended.get("time")),
        prov__type="km3gpu:Session",
        km3gpu__status=ended.get("status"),
        km3gpu__command=session.get("command"),
        km3gpu__error=ended.get("error"),
        km3gpu__worker=session.get("worker"),
    )
    doc.relate("wasAssociatedWith", activity=activity, agent=code, plan=plan)
    if session.get("user"):
        name = f"km3gpu:person-{_slug(session['user'])}"
        person = doc.add("agent", name, prov__type="prov:Person", prov__label=session["user"])
        doc.relate("actedOnBehalfOf", delegate=code, responsible=person, activity=activity)
    if session.get("environment"):
        doc.relate("used", activity=activity, entity=f"km3gpu:environment-{session['environment']}")


def _chunk(
    doc: _Document, chunk: Mapping[str, Any], source: str, calibration: list[str], code: str, plan: str
) -> str:
    started = chunk.get("started")
    seconds = sum(chunk.get("seconds", {}).values())
    activity = doc.add(
        "activity",
        f"km3gpu:chunk-{chunk['id']}",
        prov__type="km3gpu:Chunk",
        prov__startTime=_time(started),
        prov__endTime=None if started is None else _time(started + seconds),
        km3gpu__entries=list(chunk["entries"]),
        km3gpu__device=chunk["device"],
        km3gpu__worker=chunk.get("worker"),
        km3gpu__attempt=chunk.get("attempt"),
        km3gpu__counters=chunk.get("counters"),
    )
    doc.relate("wasAssociatedWith", activity=activity, agent=code, plan=plan)
    for entity in (source, *calibration):
        doc.relate("used", activity=activity, entity=entity)
    if chunk.get("environment"):
        doc.relate("used", activity=activity, entity=f"km3gpu:environment-{chunk['environment']}")
    rows = doc.add(
        "entity",
        f"km3gpu:rows-{chunk['id']}",
        prov__type="km3gpu:Rows",
        km3gpu__n_events=chunk["n_out"],
        km3gpu__parts=chunk.get("outputs"),
    )
    doc.relate("wasGeneratedBy", entity=rows, activity=activity)
    doc.relate("wasDerivedFrom", generatedEntity=rows, usedEntity=source)
    return rows


def _failure(doc: _Document, failure: Mapping[str, Any], inputs: Mapping[str, str], code: str) -> None:
    activity = doc.add(
        "activity",
        f"km3gpu:failure-{failure['id']}-{failure['attempt']}",
        prov__type="km3gpu:FailedChunk",
        prov__startTime=_time(failure.get("started") or None),
        km3gpu__entries=list(failure["entries"]),
        km3gpu__message=(failure.get("fault") or {}).get("message"),
    )
    doc.relate("wasAssociatedWith", activity=activity, agent=code)
    if failure["path"] in inputs:
        doc.relate("used", activity=activity, entity=inputs[failure["path"]])


def _outputs(
    doc: _Document,
    record: Mapping[str, Any],
    parts: Mapping[str, str],
    inputs: Mapping[str, str],
    code: str,
) -> None:
    merge = f"km3gpu:merge-{record['plan']}"
    for output in record.get("outputs", []):
        doc.add("activity", merge, prov__type="km3gpu:Merge")
        entity = doc.add(
            "entity",
            f"file:{output['digest'].replace(':', '-')}",
            prov__label=output["name"],
            prov__type="km3gpu:Output",
            km3gpu__digest=output["digest"],
            km3gpu__bytes=output["bytes"],
            km3gpu__rows=output["rows"],
        )
        doc.relate("wasGeneratedBy", entity=entity, activity=merge)
        for source in inputs.values():
            doc.relate("wasDerivedFrom", generatedEntity=entity, usedEntity=source)
    if record.get("outputs"):
        doc.relate("wasAssociatedWith", activity=merge, agent=code)
        for rows in parts.values():
            doc.relate("used", activity=merge, entity=rows)


def upstream(meta: list[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Read the applications that made a file from what they wrote about themselves.

    Parameters
    ----------
    meta : list of mapping
        ``application``, ``command``, ... in order.

    Yields
    ------
    dict
        The same with ``files``: pairs of role and path, found among the options
        of the command (``-a`` detector, ``-f`` input, ``-o`` output).
    """
    for step in meta:
        files = []
        try:
            words = shlex.split(str(step.get("command", "")))
        except ValueError:  # a quote that Jpp does not close
            words = str(step.get("command", "")).split()
        for option, value in pairwise(words):
            if option in _FILE_OPTIONS and not value.startswith("-") and re.search(r"\.\w+$", value):
                files.append((_FILE_OPTIONS[option], value))
        yield {**step, "files": files}


def _slug(path: str) -> str:
    return re.sub(r"[^A-Za-z0-9._-]", "_", path.strip("/"))


def _iso(time: Any) -> str | None:
    return str(time) if time and re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]+.*", str(time)) else None

"""A record in the words of others: W3C PROV (as PROV-JSON) and RO-Crate metadata.

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
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from km3gpu.io.filebytes import is_url

__all__ = ["prov_json", "ro_crate", "upstream"]

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
    _outputs(doc, record, parts, inputs)
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
    doc: _Document, record: Mapping[str, Any], parts: Mapping[str, str], inputs: Mapping[str, str]
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


def ro_crate(record: Mapping[str, Any], name: str) -> str:
    """Write the metadata that makes the directory of a run an RO-Crate.

    Parameters
    ----------
    record : mapping
        From `km3gpu.pipeline.provenance.read`.
    name : str
        Name of the run.

    Returns
    -------
    str
        Content of ``ro-crate-metadata.json`` (RO-Crate 1.1): the run as a
        CreateAction with the inputs as objects and the outputs as results.
    """
    outputs = [
        {
            "@id": o["name"],
            "@type": "File",
            "contentSize": str(o["bytes"]),
            "sha256": o["digest"].partition(":")[2],
            "encodingFormat": _MEDIA.get(PurePosixPath(o["name"]).suffix, "application/octet-stream"),
        }
        for o in record.get("outputs", [])
    ]
    inputs = [
        {
            "@id": i["path"] if is_url(i["path"]) else f"file://{quote(i['path'])}",
            "@type": "File",
            "name": PurePosixPath(i["path"]).name,
            "contentSize": str(i["size"]),
            # a file known by its mark has no digest of its bytes
            **({"sha256": i["digest"][7:]} if i["digest"].startswith("sha256:") else {}),
        }
        for i in record["inputs"]
    ]
    sessions = record.get("sessions") or [{}]
    last = sessions[-1].get("ended", {})
    ids = [{"@id": f["@id"]} for f in outputs]
    action: dict[str, Any] = {
        "@id": f"#plan-{record['plan']}",
        "@type": "CreateAction",
        "name": name,
        "instrument": {"@id": "#km3gpu"},
        "object": [{"@id": i["@id"]} for i in inputs],
        "result": ids,
        "actionStatus": "http://schema.org/"
        + ("CompletedActionStatus" if record.get("complete", True) else "FailedActionStatus"),
    }
    user = sessions[0].get("user")
    if user:
        action["agent"] = {"@id": "#user"}
    if "time" in sessions[0]:
        action["startTime"] = _time(sessions[0]["time"])
    if "time" in last:
        action["endTime"] = _time(last["time"])
    graph = [
        {
            "@id": "ro-crate-metadata.json",
            "@type": "CreativeWork",
            "about": {"@id": "./"},
            "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
        },
        {
            "@id": "./",
            "@type": "Dataset",
            "name": name,
            "description": f"km3gpu run of plan {record['plan']}",
            "datePublished": action.get("endTime") or action.get("startTime") or "",
            "hasPart": [*ids, {"@id": "provenance.json"}, *({"@id": i["@id"]} for i in inputs)],
            "mentions": {"@id": action["@id"]},
        },
        {"@id": "provenance.json", "@type": "File", "encodingFormat": "application/json"},
        {"@id": "#km3gpu", "@type": "SoftwareApplication", "name": "km3gpu", "version": record["code"]},
        *([{"@id": "#user", "@type": "Person", "name": user}] if user else []),
        action,
        *inputs,
        *outputs,
    ]
    return json.dumps({"@context": "https://w3id.org/ro/crate/1.1/context", "@graph": graph}, indent=1)


_MEDIA = {
    ".parquet": "application/vnd.apache.parquet",
    ".h5": "application/x-hdf5",
    ".fits": "application/fits",
}

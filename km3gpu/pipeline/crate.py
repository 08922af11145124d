"""A record as the metadata of an RO-Crate: a directory that says what lies in it and where it came from."""

from __future__ import annotations

import datetime as dt
import json
from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from km3gpu.io.filebytes import is_url

__all__ = ["ro_crate"]

_CRATE = "https://w3id.org/ro/crate/1.1"
_PROFILE = "https://w3id.org/ro/wfrun/process/0.5"
_MEDIA = {
    ".parquet": "application/vnd.apache.parquet",
    ".h5": "application/x-hdf5",
    ".fits": "application/fits",
    ".json": "application/json",
    ".root": "application/x-root",
    ".detx": "text/plain",
    ".csv": "text/csv",
    ".toml": "application/toml",
}


def ro_crate(record: Mapping[str, Any], name: str, terms: str | None = None) -> str:
    """Write the metadata that makes the directory of a run an RO-Crate.

    Parameters
    ----------
    record : mapping
        From `km3gpu.pipeline.provenance.read`.
    name : str
        Name of the run.
    terms : str, optional
        URL of the licence under which the outputs are given away; without it the
        crate says that none was chosen.

    Returns
    -------
    str
        Content of ``ro-crate-metadata.json`` (RO-Crate 1.1, profile Process Run
        Crate 0.5): the run as a CreateAction with the inputs as objects and the
        outputs as results.
    """
    outputs = [
        {**_file(o["name"], o["name"], o["bytes"], o["digest"]), "description": _rows(o)}
        for o in record.get("outputs", [])
    ]
    inputs = [
        _file(
            i["path"] if is_url(i["path"]) else f"file://{quote(i['path'])}",
            i["path"],
            i["size"],
            i["digest"],
        )
        for i in record["inputs"]
    ]
    action = _action(record, name, _ids(inputs), _ids(outputs))
    user = (record.get("sessions") or [{}])[0].get("user")
    own: dict[str, Any] = {"@id": "provenance.json", "@type": "File", "name": "the record of the run"}
    root: dict[str, Any] = {
        "@id": "./",
        "@type": "Dataset",
        "name": name,
        "description": f"km3gpu run of plan {record['plan']}",
        "datePublished": action.get("endTime") or action.get("startTime") or "",
        "license": {"@id": terms or "#license"},
        "conformsTo": {"@id": _PROFILE},
        "hasPart": _ids([*outputs, own, *inputs]),
        "mentions": {"@id": action["@id"]},
        **({"author": {"@id": "#user"}} if user else {}),
    }
    graph = [
        {
            "@id": "ro-crate-metadata.json",
            "@type": "CreativeWork",
            "about": {"@id": "./"},
            "conformsTo": {"@id": _CRATE},
        },
        root,
        {"@id": _PROFILE, "@type": "CreativeWork", "name": "Process Run Crate", "version": "0.5"},
        _license(terms),
        {**own, "encodingFormat": "application/json"},
        {"@id": "#km3gpu", "@type": "SoftwareApplication", "name": "km3gpu", "version": record["code"]},
        *([{"@id": "#user", "@type": "Person", "name": user}] if user else []),
        action,
        *inputs,
        *outputs,
    ]
    return json.dumps({"@context": f"{_CRATE}/context", "@graph": graph}, indent=1)


def _action(
    record: Mapping[str, Any], name: str, inputs: list[dict[str, str]], outputs: list[dict[str, str]]
) -> dict[str, Any]:
    sessions = record.get("sessions") or [{}]
    ended = sessions[-1].get("ended", {})
    whole = record.get("complete", not record["missing"])
    action: dict[str, Any] = {
        "@id": f"#plan-{record['plan']}",
        "@type": "CreateAction",
        "name": name,
        "description": " > ".join(s["stage"] for s in record["stages"]) or "the columns as they are",
        "instrument": {"@id": "#km3gpu"},
        "object": inputs,
        "result": outputs,
        "actionStatus": "http://schema.org/" + ("CompletedActionStatus" if whole else "FailedActionStatus"),
    }
    if sessions[0].get("user"):
        action["agent"] = {"@id": "#user"}
    if "time" in sessions[0]:
        action["startTime"] = _time(sessions[0]["time"])
    if "time" in ended:
        action["endTime"] = _time(ended["time"])
    if ended.get("error"):
        action["error"] = ended["error"]
    return action


def _url(path: str) -> str:
    return path if is_url(path) else f"file://{quote(path)}"


def _file(identity: str, path: str, size: int, digest: str) -> dict[str, Any]:
    about = {
        "@id": identity,
        "@type": "File",
        "name": PurePosixPath(path).name,
        "contentSize": str(size),
        "encodingFormat": _MEDIA.get(PurePosixPath(path).suffix, "application/octet-stream"),
    }
    # a file known by its mark has no digest of its bytes
    return {**about, "sha256": digest[7:]} if digest.startswith("sha256:") else about


def _rows(output: Mapping[str, Any]) -> str:
    return ", ".join(f"{n:,} {table.replace('_', ' ')}" for table, n in output.get("rows", {}).items())


def _license(url: str | None) -> dict[str, Any]:
    if url is not None:
        return {
            "@id": url,
            "@type": "CreativeWork",
            "name": url,
            "description": "The licence of the outputs.",
        }
    words = "No licence was chosen for these files: ask their owners before you use or share them."
    return {"@id": "#license", "@type": "CreativeWork", "name": "no licence", "description": words}


def _ids(entities: list[dict[str, Any]]) -> list[dict[str, str]]:
    return [{"@id": e["@id"]} for e in entities]


def _time(seconds: float) -> str:
    return dt.datetime.fromtimestamp(seconds, dt.UTC).isoformat(timespec="seconds")

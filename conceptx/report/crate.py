"""RO-Crate metadata: the report folder as a research object that others can cite (https://w3id.org/ro/crate/1.1)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from conceptx import __version__
from conceptx.report.records import Evidence

_FORMATS = {
    "html": "text/html",
    "json": "application/json",
    "ttl": "text/turtle",
    "csv": "text/csv",
    "md": "text/markdown",
}
_DESCRIPTIONS = {
    "index.html": "The report for people",
    "report.json": "The report for programs",
    "report.schema.json": "The JSON Schema of report.json",
    "report.ttl": "The report in RDF: every hypothesis an OWL class, with provenance",
    "model-card.md": "A section for a model card",
}


def crate(evidence: Evidence, files: Mapping[str, str]) -> dict[str, Any]:
    """Return `ro-crate-metadata.json` for the files of a report, given by name with their sha256."""
    program = {"@id": "#conceptx", "@type": "SoftwareApplication", "name": "conceptx", "version": __version__}
    parts = [
        {
            "@id": name,
            "@type": "File",
            "name": _DESCRIPTIONS.get(name, f"The table {name.removesuffix('.csv')}"),
            "encodingFormat": _FORMATS.get(name.rpartition(".")[2], "application/octet-stream"),
            "sha256": digest,
        }
        for name, digest in sorted(files.items())
    ]
    root = {
        "@id": "./",
        "@type": "Dataset",
        "name": f"Explanations of hidden units: {evidence.request.get('model') or evidence.data.name}",
        "description": "Class expressions for the hidden units of a model, tested on held-out images.",
        "hasPart": [{"@id": part["@id"]} for part in parts],
        "mentions": {"@id": "#run"},
    }
    action = {
        "@id": "#run",
        "@type": "CreateAction",
        "name": "conceptx explain",
        "instrument": {"@id": "#conceptx"},
        "result": {"@id": "./"},
    }
    descriptor = {
        "@id": "ro-crate-metadata.json",
        "@type": "CreativeWork",
        "about": {"@id": "./"},
        "conformsTo": {"@id": "https://w3id.org/ro/crate/1.1"},
    }
    return {"@context": "https://w3id.org/ro/crate/1.1/context", "@graph": [descriptor, root, program, action, *parts]}

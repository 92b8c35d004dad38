"""Write a report: the page, the JSON and the CSV files, each whole or not at all.

Callers need `write_report`.
"""

from __future__ import annotations

from pathlib import Path

from conceptx.files import digest_file, write_json, write_text
from conceptx.progress import Progress, silent
from conceptx.report.card import model_card
from conceptx.report.crate import crate
from conceptx.report.evidence import gather
from conceptx.report.export import csv_files
from conceptx.report.html import render, shown_images
from conceptx.report.rdf import to_turtle
from conceptx.report.records import ReportInput
from conceptx.report.schema import report_schema
from conceptx.report.thumbnails import thumbnails


def write_report(inputs: ReportInput, out: Path, progress: Progress = silent) -> list[Path]:
    """Write the page, the JSON with its schema, the RDF, the CSV files, the model card and the RO-Crate metadata.

    Return the paths of all that was written into the folder `out`.
    """
    out = Path(out)
    evidence = gather(inputs, progress)
    pictures = None
    if inputs.image_set is not None:
        pictures = thumbnails(inputs.image_set, shown_images(evidence), progress)
    write_json(out / "report.json", evidence.to_dict())
    write_json(out / "report.schema.json", report_schema())
    texts = {
        **csv_files(evidence, inputs),
        "report.ttl": to_turtle(evidence, inputs),
        "model-card.md": model_card(evidence),
        "index.html": render(evidence, pictures),
    }
    for name, content in texts.items():
        write_text(out / name, content)
    names = ["index.html", "report.json", "report.schema.json", *sorted(texts.keys() - {"index.html"})]
    write_json(out / "ro-crate-metadata.json", crate(evidence, {name: digest_file(out / name) for name in names}))
    return [out / name for name in (*names, "ro-crate-metadata.json")]

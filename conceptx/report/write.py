"""Write a report: the page, the JSON and the CSV files, each whole or not at all.

Callers need `write_report`.
"""

from __future__ import annotations

import shutil
from dataclasses import replace
from itertools import chain
from pathlib import Path

from conceptx.files import digest_file, write_json, write_many, write_text
from conceptx.progress import Progress, silent
from conceptx.report.card import model_card
from conceptx.report.crate import crate
from conceptx.report.digits import with_ten_digits
from conceptx.report.evidence import gather
from conceptx.report.export import csv_files
from conceptx.report.html import Pictures, render, render_folder, shown_images, thumbnail_names
from conceptx.report.rdf import to_turtle
from conceptx.report.records import Evidence, ReportInput
from conceptx.report.schema import report_schema
from conceptx.report.thumbnails import thumbnails


def write_report(
    inputs: ReportInput, out: Path, progress: Progress = silent, *, single_file: bool = False
) -> list[Path]:
    """Write the pages, the JSON with its schema, the RDF, the CSV files, the model card and the RO-Crate metadata.

    The pages are `index.html` with one page a unit and the thumbnails beside it, or one file that holds all. Return
    the paths of all that was written into the folder `out`; pages and pictures of an earlier report are removed.
    """
    out = Path(out)
    short = with_ten_digits(inputs)
    evidence = gather(short, progress)
    pictures = None
    if inputs.image_set is not None:
        pictures = thumbnails(inputs.image_set, shown_images(evidence, single_file), progress)
    for folder in ("units", "thumbs"):
        shutil.rmtree(out / folder, ignore_errors=True)
    names = ["index.html", "report.json", "report.schema.json"]
    if single_file:
        write_text(out / "index.html", render(evidence, pictures))
    else:
        names += _write_folder(evidence, pictures, out, progress)
    write_text(out / "report.json", evidence.to_json())
    write_json(out / "report.schema.json", report_schema())
    texts = csv_files(evidence, replace(inputs, beside=short.beside)) | {
        "report.ttl": to_turtle(evidence, short),
        "model-card.md": model_card(evidence),
    }
    for name, content in texts.items():
        write_text(out / name, content)
    names += sorted(texts)
    write_json(out / "ro-crate-metadata.json", crate(evidence, {name: digest_file(out / name) for name in names}))
    return [out / name for name in (*names, "ro-crate-metadata.json")]


def _write_folder(evidence: Evidence, pictures: Pictures, out: Path, progress: Progress) -> list[str]:
    """Write the index page, the units' pages and the thumbnails; return the names of all but the index page."""
    pages = progress(render_folder(evidence, pictures), total=len(evidence.units) + 2, label="report: pages")
    files = chain(
        ((name, pictures[image].data) for image, name in thumbnail_names(pictures) if pictures is not None),
        ((name, content.encode()) for name, content in pages),
    )
    written = [path.relative_to(out).as_posix() for path in write_many(out, files)]
    return [name for name in written if name != "index.html"]

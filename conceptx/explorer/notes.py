"""What a person marks and writes down about units: `notes.json` in the run folder, beside what the run made."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from threading import Lock

from conceptx.errors import InputError
from conceptx.files import write_json

LONGEST = 10_000
_FILE = "notes.json"
_WRITING = Lock()
"""Two requests at once must not overwrite each other's notes."""

Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Note:
    """A person's remark on a unit; `marked` puts it into the selection."""

    marked: bool = False
    text: str = ""


def read_notes(run: Path) -> dict[Key, Note]:
    """Return the notes by (layer, unit); none where there is no file."""
    path = run / _FILE
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        return {(str(row["layer"]), str(row["unit"])): Note(bool(row["marked"]), str(row["text"])) for row in data}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise InputError(
            str(path), f"these are not the explorer's notes ({error})", "mend or remove the file"
        ) from error


def write_note(run: Path, key: Key, note: Note) -> dict[Key, Note]:
    """Keep a note and return all; an empty one is dropped."""
    if len(note.text) > LONGEST:
        raise InputError("note", f"it has {len(note.text)} characters", f"keep it under {LONGEST}")
    with _WRITING:
        notes = read_notes(run)
        notes[key] = note
        kept: Mapping[Key, Note] = {k: n for k, n in sorted(notes.items()) if n != Note()}
        rows = [{"layer": k[0], "unit": k[1], "marked": n.marked, "text": n.text} for k, n in kept.items()]
        try:
            write_json(run / _FILE, rows)
        except OSError as error:
            what = f"the note was not kept, because the file cannot be written ({error.strerror})"
            raise InputError(str(run / _FILE), what, "make the run folder writable") from error
    return dict(kept)

"""A second judge, for whole bases: Whelk, a reasoner for the profile OWL 2 EL that needs no Java.

Callers need `members`: which of some classes are below each query, given lines of OWL in functional syntax. EL has
classes, `and`, `some` and owl:Thing; in it a base of 100,000 classes takes seconds where HermiT never ends. Whelk comes
with the extra ``[whelk]``. It is machine code that calls other machine code, so it runs in a process of its own, which
may crash without harm.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from importlib.util import find_spec
from pathlib import Path

from conceptx.errors import JobError

NAMES = "http://conceptx.invalid/"
"""The beginning of every IRI in the lines: it names nothing outside of them."""
_FRAME = "Prefix(owl:=<http://www.w3.org/2002/07/owl#>)\nOntology(<http://conceptx.invalid/base>\n"


def is_installed() -> bool:
    """Tell whether Whelk is there."""
    return find_spec("pywhelk") is not None and find_spec("pyhornedowl") is not None


def members(
    axioms: Iterable[str], queries: Sequence[str], *, seconds: float = 120, megabytes: int = 4096
) -> dict[str, frozenset[str]]:
    """Return for each query, the name of a class, the names of all classes below it.

    `axioms` are lines of functional syntax whose IRIs are `NAMES` followed by a name. A run that needs more time or
    memory, or crashes, is a `JobError`.
    """
    with tempfile.TemporaryDirectory(prefix="conceptx-") as folder:
        base = Path(folder) / "base.ofn"
        with base.open("w", encoding="utf-8", newline="\n") as out:
            out.write(_FRAME)
            out.writelines(f"{line}\n" for line in axioms)
            out.write(")\n")
        (Path(folder) / "queries.json").write_text(json.dumps(list(queries)), encoding="utf-8")
        command = [sys.executable, "-W", "ignore", str(Path(__file__).resolve()), folder, str(megabytes)]
        try:
            done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds, check=False)
        except subprocess.TimeoutExpired:
            raise JobError("Whelk", f"did not finish within {seconds:.0f} s", "explain fewer images") from None
        answers = Path(folder) / "answers.json"
        if done.returncode != 0 or not answers.is_file():
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()[-1:] or ["it crashed"]
            what = f"failed within {megabytes} MB ({said[0][:200]})"
            raise JobError("Whelk", what, "explain fewer images, or pip install 'conceptx[whelk]'")
        found: dict[str, list[str]] = json.loads(answers.read_text("utf-8"))
    return {query: frozenset(found[query]) for query in queries}


def _answer(folder: Path, megabytes: int) -> None:
    """Read the base and the queries, and write what is below each, within so much memory."""
    import resource

    import pyhornedowl
    import pywhelk

    resource.setrlimit(resource.RLIMIT_AS, (megabytes << 20, megabytes << 20))
    ontology = pyhornedowl.open_ontology_from_file(str(folder / "base.ofn"), "ofn")
    reasoner = pywhelk.create_reasoner(ontology)
    found = {}
    for query in json.loads((folder / "queries.json").read_text("utf-8")):
        below = reasoner.get_subclasses(ontology.class_(NAMES + query))
        found[query] = [str(one).removeprefix(NAMES) for one in below if str(one).startswith(NAMES)]
    (folder / "answers.json").write_text(json.dumps(found), encoding="utf-8")


if __name__ == "__main__":
    _answer(Path(sys.argv[1]), int(sys.argv[2]))

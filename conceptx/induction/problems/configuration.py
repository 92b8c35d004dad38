"""The configuration files that DL-Learner began and ECII took over: comments, prefixes, ``name.option = value``."""

from __future__ import annotations

import re
from functools import cached_property
from pathlib import Path

from conceptx.errors import InputError

_PIECE = re.compile(
    r"""(?P<text>"(?:[^"\\\n]|\\.)*")
      | (?P<comment>/\*.*?(?:\*/|\Z) | (?<![:\w])//[^\n]* | ^[ \t]*\#[^\n]*)""",
    re.VERBOSE | re.DOTALL | re.MULTILINE,
)
_NAMESPACE = re.compile(r"^[ \t]*namespace[ \t]*=[ \t]*(\S+)", re.MULTILINE)
_PREFIXES = re.compile(r"\bprefixes\s*=\s*\[(.*?)\]", re.DOTALL)
_PAIR = re.compile(r"""\(\s*"([^"]*)"\s*,\s*"([^"]*)"\s*\)""")
_SET = r"^[ \t]*(?:[\w]+\.)?{name}\s*=\s*(?P<body>\{{[^}}]*(?P<end>\}})?|[^\n]*)"
_OPTION = r"^[ \t]*(?:[\w]+\.)?{name}\s*=\s*(?P<value>\"[^\"\n]*\"|[^\n;]*)"
_ECII = re.compile(
    r"^[ \t]*(?:namespace|conceptLimitIn(?:Neg|Pos)Expr|hornClauseLimit|objPropsCombinationLimit|hornClausesListMaxSize"
    r"|candidateClassesListMaxSize|removeCommonTypes|validateByReasonerSize|objectProperties"
    r"|reasoner\.reasonerImplementation)[ \t]*=",
    re.MULTILINE,
)


def is_utf8(text: str) -> bool:
    """Return whether a text that was decoded with ``surrogateescape`` was UTF-8."""
    return text.isascii() or not any("\udc80" <= c <= "\udcff" for c in text)


class Configuration:
    """The text of a configuration file without its comments, and questions to it."""

    def __init__(self, path: Path, text: str) -> None:
        self.path = path
        self.whole = text
        blanked = re.compile(r"[^\n]")

        def without(found: re.Match[str]) -> str:
            return found[0] if found["text"] else blanked.sub(" ", found[0])

        self.text = _PIECE.sub(without, text)

    def check_encoding(self) -> None:
        """Refuse a file that is not UTF-8; comments, which old files have in other encodings, may be."""
        if not is_utf8(self.text):
            at = next(i for i, c in enumerate(self.text) if "\udc80" <= c <= "\udcff")
            raise InputError(self.line(at), "is not UTF-8", "convert the file to UTF-8")

    @property
    def is_ecii(self) -> bool:
        """Whether the file sets an option that only ECII has."""
        return bool(_ECII.search(self.text) or self.namespace)

    @cached_property
    def namespace(self) -> str:
        """The default namespace that ECII's files declare, or an empty string."""
        found = _NAMESPACE.search(self.whole)
        return found[1].strip('";') if found else ""

    @cached_property
    def prefixes(self) -> dict[str, str]:
        """The declared abbreviations."""
        found = {
            name.strip(): iri.strip() for block in _PREFIXES.findall(self.text) for name, iri in _PAIR.findall(block)
        }
        if self.namespace:
            found.setdefault("", self.namespace)
        return found

    def line(self, position: int) -> str:
        """Return ``file:line`` of a position in the text."""
        return f"{self.path}:{self.text.count(chr(10), 0, position) + 1}"

    def options(self, *names: str) -> list[tuple[str, str]]:
        """Return (where, value) of every setting of one of these options, whatever component it belongs to."""
        found = re.finditer(_OPTION.format(name=f"(?:{'|'.join(names)})"), self.text, re.MULTILINE)
        return [(self.line(m.start("value")), m["value"].strip().strip('"').strip()) for m in found]

    def names(self, *options: str) -> tuple[str, ...] | None:
        """Return the names in ``option = { "a", "b" }``, or None where the option is not set."""
        every: tuple[str, ...] | None = None
        for found in re.finditer(_SET.format(name=f"(?:{'|'.join(options)})"), self.text, re.MULTILINE):
            body = found["body"]
            if body.startswith("{") and not found["end"]:
                raise InputError(
                    self.line(found.start("body")), "the set of examples is not closed", "add the missing }"
                )
            quoted = re.findall(r'"([^"]*)"', body)
            bare = re.split(r"[,\s{}]+", re.sub(r'"[^"]*"', " ", body))
            names = tuple(name.strip() for name in (*quoted, *bare) if name.strip(" ;"))
            every = names if every is None else every + names
        return every

    def bases(self, *options: str) -> tuple[Path, ...]:
        """Return the knowledge bases that the file names; one that is nowhere stays as it is written."""
        found = []
        for _, given in self.options(*options):
            if not given:
                continue
            if "://" in given and not given.startswith("file:"):  # nothing is fetched, but a copy may lie beside
                copy = self.path.parent / given.rpartition("/")[2]
                found += [copy] if copy.is_file() else []
                continue
            path = Path(given.removeprefix("file://").removeprefix("file:"))
            beside = [self.path.parent / path, self.path.parent / Path(given.replace("\\", "/")).name]
            found.append(next((p for p in beside if p.is_file()), beside[0]))
        return tuple(dict.fromkeys(found))

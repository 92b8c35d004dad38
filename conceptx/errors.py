"""What goes wrong, said in one sentence: where, what, and how to mend it.

Callers raise `InputError` for a wrong input or request (exit code 2) and `JobError` when the job itself
failed (exit code 1). Both print as ``where: what; mend``.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

_LONGEST = 2000
_JOINERS = "\u200c\u200d"


class ConceptxError(Exception):
    """An error with three facts: where it is, what is wrong, and what mends it.

    Each is shown as one line without control characters, wherever its words come from; only `mend` may have further
    lines, which show the place of a mistake.
    """

    exit_code = 1

    def __init__(self, where: str, what: str, mend: str) -> None:
        super().__init__(where, what, mend)
        self.where = _on_one_line(where)
        self.what = _on_one_line(what)
        self.mend = "\n".join(map(_on_one_line, mend.split("\n")))

    def __str__(self) -> str:
        return f"{self.where}: {self.what}; {self.mend}"


class InputError(ConceptxError, ValueError):
    """The input or the request is wrong; the command line ends with exit code 2."""

    exit_code = 2


class JobError(ConceptxError):
    """The job failed although the request was right (a full disk); the command line ends with exit code 1."""


def _on_one_line(text: str) -> str:
    """Return a text that a terminal shows as it is: bounded, with a space for white space, a mark for what is unseen.

    The joiners of emoji and of some scripts stay.
    """
    shown = text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
    if shown.isprintable():
        return shown
    return "".join(c if c.isprintable() or c in _JOINERS else " " if c.isspace() else "\ufffd" for c in shown)


def nearest(name: str, known: Iterable[str], n: int = 3) -> list[str]:
    """Return up to `n` of the `known` names that look most like `name`, best first."""
    folded: dict[str, str] = {}
    for candidate in known:
        folded.setdefault(candidate.casefold(), candidate)
    close = difflib.get_close_matches(name.casefold(), folded, n=n, cutoff=0.5)
    return [folded[c] for c in close]


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``did you mean 'a', 'b'?`` for the nearest known names, or an empty string."""
    close = nearest(name, known)
    return f"did you mean {', '.join(repr(c) for c in close)}?" if close else ""

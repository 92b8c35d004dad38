"""What annotators' attribute words and predicates become: roles that read well in an expression."""

from __future__ import annotations

import re

_COLOURS = frozenset(
    {
        *("black", "white", "gray", "grey", "red", "green", "blue", "yellow", "orange", "purple", "pink", "brown"),
        *("beige", "tan", "gold", "golden", "silver", "maroon", "navy", "teal", "turquoise", "violet", "magenta"),
        *("cyan", "olive", "cream", "ivory", "indigo", "lavender", "burgundy", "blonde"),
    }
)
_PARTS = re.compile(r"[^\W_]+")

PART_OF = "partOf"
"""The relation of a part to the object it belongs to."""

SUPERCATEGORY = "hasSupercategory"
"""The role of the coarse category that a data set gives its labels."""


def attribute_role(value: str) -> str:
    """Return the role of an attribute: `hasColor` for colours (`dark blue` too), else `hasAttribute`."""
    words = value.casefold().split()
    return "hasColor" if words and words[-1] in _COLOURS else "hasAttribute"


def predicate_role(predicate: str) -> str:
    """Return a predicate as the name of a role: ``ON TOP OF`` → ``onTopOf``; an empty text without any word."""
    words = [word.casefold() for word in _PARTS.findall(predicate)]
    return "".join([words[0], *(word.capitalize() for word in words[1:])]) if words else ""

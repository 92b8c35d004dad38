"""Class expressions: what is said of images, in data types, Manchester syntax, description-logic syntax and OWL.

`parse` reads both syntaxes, `to_manchester` prints exactly what is scored, `normalise` brings equal forms together.
An expression denotes a set of individuals (images, objects, attribute values); ``not`` is the complement of what
was annotated (closed world). `to_owlready` and `to_rdf` give the same class to other programs, `from_owlready` and
`from_rdf` take it back.
"""

from conceptx.expressions.normal import normalise
from conceptx.expressions.owlready import from_owlready, to_owlready
from conceptx.expressions.printing import quote, to_dl, to_manchester
from conceptx.expressions.rdf import from_rdf, to_rdf
from conceptx.expressions.reading import parse
from conceptx.expressions.subsumption import Subsumption, Taxonomy
from conceptx.expressions.types import (
    CONTAINS,
    MAX_DEPTH,
    NOTHING,
    THING,
    And,
    Comparison,
    Count,
    Expression,
    Kind,
    Named,
    Not,
    Nothing,
    Only,
    Or,
    Role,
    Some,
    Thing,
    Value,
    children,
    contains,
    length,
    names,
    roles,
    walk,
)

__all__ = [
    "CONTAINS",
    "MAX_DEPTH",
    "NOTHING",
    "THING",
    "And",
    "Comparison",
    "Count",
    "Expression",
    "Kind",
    "Named",
    "Not",
    "Nothing",
    "Only",
    "Or",
    "Role",
    "Some",
    "Subsumption",
    "Taxonomy",
    "Thing",
    "Value",
    "children",
    "contains",
    "from_owlready",
    "from_rdf",
    "length",
    "names",
    "normalise",
    "parse",
    "quote",
    "roles",
    "to_dl",
    "to_manchester",
    "to_owlready",
    "to_rdf",
    "walk",
]

"""The report as RDF: every hypothesis an OWL class, every figure a fact, and where each came from.

`to_turtle` writes one self-contained document: the classes that the expressions name with all above them, the roles,
one OWL class for each hypothesis (``owl:equivalentClass`` its expression), one `cx:Result` for each split that it was
measured on, the label mapping in SKOS and SSSOM terms, and PROV-O for what was made from what. The terms `cx:` are
those of ``ontologies/conceptx.ttl``; they are annotations, so that no reasoner draws conclusions from statistics.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from conceptx import __version__
from conceptx.annotation.iris import BASE, escape, iri
from conceptx.errors import InputError
from conceptx.expressions import Count, Expression, Only, Some, Value, names, parse, walk
from conceptx.report import rdf_beside, turtle
from conceptx.report.evidence import raw_texts
from conceptx.report.rdf_beside import number
from conceptx.report.records import VERDICTS_IN_ORDER, Evidence, Hypothesis, ReportInput, Statistics, UnitEvidence
from conceptx.tables import SPLITS

if TYPE_CHECKING:
    from conceptx.ontology.hierarchy import Hierarchy

VOCABULARY = f"{BASE}vocabulary#"

_PREFIXES = {
    "cx": VOCABULARY,
    "owl": "http://www.w3.org/2002/07/owl#",
    "prov": "http://www.w3.org/ns/prov#",
    "rdf": "http://www.w3.org/1999/02/22-rdf-syntax-ns#",
    "rdfs": "http://www.w3.org/2000/01/rdf-schema#",
    "semapv": "https://w3id.org/semapv/vocab/",
    "skos": "http://www.w3.org/2004/02/skos/core#",
    "sssom": "https://w3id.org/sssom/",
    "xsd": "http://www.w3.org/2001/XMLSchema#",
    turtle.PREFIX: BASE,
}
_ESTIMATES = {"tla": "tla", "non_tla": "nonTla", "auroc": "auroc", "auprc": "auprc", "correlation": "correlation"}
_NUMBERS = {
    "n_target": "targets",
    "n_other": "others",
    "u": "u",
    "z": "z",
    "p": "p",
    "z_uncorrected": "zUncorrected",
    "p_one_tailed": "pOneTailed",
    "q": "q",
}
_SCORES = {"balanced_accuracy": "balancedAccuracy"}
_MAPPING_PREDICATES = ("skos:exactMatch", "skos:closeMatch", "skos:broadMatch")


def to_turtle(evidence: Evidence, inputs: ReportInput) -> str:
    """Return the whole report as Turtle."""
    hierarchy = inputs.scenes.hierarchy
    raw = _raw_expressions(inputs)
    parts = [
        *(f"@prefix {name}: <{where}> .\n" for name, where in _PREFIXES.items()),
        "\n",
        *_document(evidence, inputs.digests),
        *_schema(raw.values(), hierarchy),
        *(line for unit in evidence.units for line in _unit(unit, raw, hierarchy)),
        *(line for layer in evidence.layers for line in rdf_beside.ensembles(layer.layer, layer.ensembles, _node)),
        *_mapping(inputs, hierarchy),
    ]
    return "".join(parts)


def _node(kind: str, *words: str) -> str:
    return turtle.iri(":".join([f"{BASE}{kind}", *map(escape, words)]))


_REPORT, _INDUCTION, _VERIFICATION = _node("report"), _node("activity", "induction"), _node("activity", "verification")
_PLAN = _node("plan")
_PROGRAM = _node("program", "conceptx")


def _document(evidence: Evidence, digests: Mapping[str, str]) -> Iterator[str]:
    used = [_node("input", name) for name in sorted(digests)]
    yield turtle.statement(
        _REPORT,
        ("a", "owl:Ontology , prov:Entity , cx:Report"),
        ("rdfs:label", turtle.literal(f"conceptx report on {evidence.data.name}")),
        ("cx:images", turtle.literal(evidence.data.images)),
        ("cx:hypothesesTried", number(evidence.hypotheses_tried)),
        *(("cx:protocol", turtle.literal(sentence)) for sentence in evidence.protocol),
        ("prov:wasGeneratedBy", f"{_INDUCTION} , {_VERIFICATION}"),
    )
    yield turtle.statement(
        _PROGRAM, ("a", "prov:SoftwareAgent"), ("rdfs:label", turtle.literal(f"conceptx {__version__}"))
    )
    for node, name in ((_INDUCTION, "induction"), (_VERIFICATION, "verification")):
        yield turtle.statement(
            node,
            ("a", "prov:Activity"),
            ("rdfs:label", turtle.literal(name)),
            *(("prov:used", one) for one in used),
            ("prov:used", _PLAN if node == _VERIFICATION and evidence.plan is not None else None),
            ("prov:wasAssociatedWith", _PROGRAM),
        )
    if evidence.plan is not None:
        yield rdf_beside.plan(evidence.plan, _PLAN, _INDUCTION)
    for one, name in zip(used, sorted(digests), strict=True):
        facts = (("rdfs:label", turtle.literal(name)), ("cx:sha256", turtle.literal(digests[name])))
        yield turtle.statement(one, ("a", "prov:Entity"), *facts)
    for layer in evidence.layers:
        floor = layer.floor
        yield turtle.statement(
            _node("layer", layer.layer),
            ("a", "cx:Layer"),
            ("rdfs:label", turtle.literal(layer.layer)),
            ("cx:units", turtle.literal(layer.units)),
            ("cx:noiseFloor", number(floor.correlation)),
            ("cx:noiseFloorInSearch", number(floor.search)),
            ("cx:controlUnits", turtle.literal(floor.n)),
        )


def _schema(expressions: Iterable[Expression], hierarchy: Hierarchy) -> Iterator[str]:
    """Declare the classes that the expressions name, all above them, and the roles."""
    named: dict[str, None] = {}
    roles: dict[str, str] = {}
    for one in expressions:
        named |= dict.fromkeys(names(one))
        for part in walk(one):
            if isinstance(part, Some | Only | Count):
                roles[part.role.name] = "owl:ObjectProperty"
            elif isinstance(part, Value):
                roles[part.name] = "owl:DatatypeProperty"
    for role, kind in sorted(roles.items()):
        yield turtle.statement(turtle.iri(iri("role", role)), ("a", kind), ("rdfs:label", turtle.literal(role)))
    known = [i for name in named if (i := hierarchy.get(name)) is not None]
    module = hierarchy.ancestors(np.array(sorted(known), dtype=np.int32)).tolist() if known else []
    for i in module:
        yield turtle.statement(
            turtle.iri(hierarchy.iri(i)),
            ("a", "owl:Class"),
            ("rdfs:label", turtle.literal(hierarchy.label(i))),
            *(("rdfs:subClassOf", turtle.iri(hierarchy.iri(parent))) for parent in hierarchy.parents(i).tolist()),
        )


def _unit(unit: UnitEvidence, raw: Mapping[str, Expression], hierarchy: Hierarchy) -> Iterator[str]:
    node = _node("unit", unit.layer, unit.unit)
    judged = next((k for k, h in enumerate(unit.hypotheses, start=1) if h.expression == unit.expression), None)
    yield turtle.statement(
        node,
        ("a", "cx:Unit"),
        ("rdfs:label", turtle.literal(f"{unit.layer} {unit.unit}")),
        ("cx:ofLayer", _node("layer", unit.layer)),
        ("cx:verdict", f"cx:{unit.verdict}"),
        ("cx:judgedBy", None if judged is None else _node("hypothesis", unit.layer, unit.unit, str(judged))),
        ("cx:note", turtle.literal(unit.note) if unit.note else None),
    )
    for k, hypothesis in enumerate(unit.hypotheses, start=1):
        words = (unit.layer, unit.unit, str(k))
        beside = rdf_beside.stability_facts(hypothesis.stability)
        if k == judged:
            beside += rdf_beside.sanity_facts(unit)
        yield from _hypothesis(hypothesis, words, node, raw.get(hypothesis.expression), hierarchy, beside)
        for result in hypothesis.statistics:
            yield _result(result, words, rdf_beside.effect_facts(unit.effects if k == judged else (), result.split))
    if judged is not None:
        words = (unit.layer, unit.unit, str(judged))
        yield from rdf_beside.sanity_checks(unit, words, _node)
        yield from rdf_beside.counterexamples(unit, words, _node)


def _hypothesis(
    found: Hypothesis,
    words: Sequence[str],
    unit: str,
    meaning: Expression | None,
    hierarchy: Hierarchy,
    beside: rdf_beside.Facts,
) -> Iterator[str]:
    described = _node("description", *words)
    yield turtle.statement(
        _node("hypothesis", *words),
        ("a", "cx:Hypothesis , prov:Entity"),
        ("cx:ofUnit", unit),
        ("cx:describedBy", described),
        ("cx:rank", number(found.rank)),
        ("cx:proposed", turtle.literal(found.proposed)),
        ("cx:length", number(found.length)),
        ("cx:extentSize", number(found.extent_size)),
        ("cx:optimal", turtle.literal(found.optimal)),
        *((f"cx:{_SCORES.get(name, name)}InSearch", number(score)) for name, score in found.scores.items()),
        *beside,
        ("prov:wasGeneratedBy", _INDUCTION),
    )
    yield turtle.statement(
        described,
        ("a", "owl:Class"),
        ("rdfs:label", turtle.literal(found.words)),
        ("cx:manchester", turtle.literal(found.expression)),
        ("owl:equivalentClass", None if meaning is None else _expression(meaning, hierarchy)),
    )


def _expression(value: Expression, hierarchy: Hierarchy) -> str:
    return turtle.expression(value, lambda name: _class_iri(name, hierarchy), lambda name: iri("role", name))


def _class_iri(name: str, hierarchy: Hierarchy) -> str:
    i = hierarchy.get(name)
    return iri("class", name) if i is None else hierarchy.iri(i)


def _result(found: Statistics, words: Sequence[str], beside: rdf_beside.Facts) -> str:
    facts: list[tuple[str, str | None]] = []
    for name, term in _NUMBERS.items():
        facts.append((f"cx:{term}", number(getattr(found, name))))
    for name, term in _ESTIMATES.items():
        facts += rdf_beside.estimate(term, getattr(found, name))
    return turtle.statement(
        _node("result", *words, found.split),
        ("a", "cx:Result , prov:Entity"),
        ("cx:ofHypothesis", _node("hypothesis", *words)),
        ("cx:split", f"cx:{found.split}" if found.split in SPLITS else None),
        *facts,
        *beside,
        ("cx:verdict", f"cx:{found.verdict}" if found.verdict in VERDICTS_IN_ORDER else None),
        ("cx:note", turtle.literal(found.note) if found.note else None),
        ("prov:wasGeneratedBy", _VERIFICATION),
    )


def _mapping(inputs: ReportInput, hierarchy: Hierarchy) -> Iterator[str]:
    """Write which label means which class: the statement itself, and a SSSOM mapping that tells how it was found."""
    for row in () if inputs.mapping is None else inputs.mapping.rows:
        label = turtle.iri(iri("label", row.label))
        target = None if row.class_name is None else turtle.iri(_class_iri(row.class_name, hierarchy))
        predicate = row.predicate if row.predicate in _MAPPING_PREDICATES else "skos:relatedMatch"
        yield turtle.statement(
            label, ("a", "skos:Concept"), ("skos:prefLabel", turtle.literal(row.label)), (predicate, target)
        )
        if target is None:
            continue
        yield turtle.statement(
            _node("mapping", row.label),
            ("a", "owl:Axiom"),
            ("owl:annotatedSource", label),
            ("owl:annotatedProperty", predicate),
            ("owl:annotatedTarget", target),
            ("sssom:mapping_justification", turtle.literal(row.justification)),
            ("sssom:confidence", number(row.confidence)),
            ("sssom:author_label", turtle.literal(row.author) if row.author else None),
        )


def _raw_expressions(inputs: ReportInput) -> dict[str, Expression]:
    """Return the expressions of the tables by the text that the evidence shows of them."""
    found: dict[str, Expression] = {}
    for shown, text in raw_texts(inputs).items():
        try:
            found[shown] = parse(text)
        except InputError:
            continue
    return found

"""Concept induction over the individuals of any OWL knowledge base.

Callers need `knowledge.load` (a file becomes a `KnowledgeBase`), `search.learn` (examples become ranked expressions)
and `scoring.score` (given expressions are counted exactly). `closure` says what is concluded from a knowledge base,
`pool` how expressions are enumerated, `search` what is proven of the best one.
"""

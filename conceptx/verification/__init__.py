"""Verification: hypotheses and activations on held-out images → verdicts that keep the error rates they print.

`verify` is the stage of a run (hypotheses of a search, with control units sent through the same search);
`verify_tables` does the same for a user's own tables; `load_protocol` gives the rules, as data, by name or from a
file. The formulas are pure functions in `statistics`, `effects` and `corrections`. `plan` says beforehand what will be
tested; `supplement` makes what stands beside the verdicts: resamples, stability, sanity, counter-examples, ensembles.
`bank` verifies on new images, which `gathering` fetches when a person asks for it.
"""

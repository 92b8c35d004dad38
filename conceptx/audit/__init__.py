"""Audit: what another person can check of a run, without trusting the code that made it.

Callers need `audit_run` (digests of every file, every figure computed again by a slow path of its own, on request the
search and the tests repeated byte for byte), `sign_run` and `verify_signature`, and `compare_runs` for two runs beside
each other. `scenes` and `slow` share no code with `annotation`, `induction` and `verification`: sets and definitions,
nothing fast.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from conceptx.audit.compare import Comparison, compare_runs
    from conceptx.audit.examine import audit_run
    from conceptx.audit.findings import Audit, Finding
    from conceptx.audit.signatures import sign_run, verify_signature

__all__ = ["Audit", "Comparison", "Finding", "audit_run", "compare_runs", "sign_run", "verify_signature"]

_HOMES = {
    "Audit": "findings",
    "Finding": "findings",
    "audit_run": "examine",
    "Comparison": "compare",
    "compare_runs": "compare",
    "sign_run": "signatures",
    "verify_signature": "signatures",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)

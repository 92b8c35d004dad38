"""What an audit says: how much was checked, and every place where something differs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

MISSHAPEN = (AttributeError, IndexError, KeyError, TypeError, ValueError)
"""What reading a manifest, a table or a JSON file raises that somebody gave another shape."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One difference: where it is (a file, a table's row), and what was found instead of what."""

    where: str
    what: str

    def __str__(self) -> str:
        return f"{self.where}: {self.what}"


@dataclass(frozen=True, slots=True)
class Check:
    """One kind of check: how many things were compared, what differs, and what could not be compared."""

    name: str
    compared: int
    findings: tuple[Finding, ...] = ()
    left_out: str = ""


@dataclass(frozen=True, slots=True)
class Audit:
    """The outcome of an audit, one `Check` for each kind of thing that was looked at."""

    run: str
    checks: Sequence[Check] = field(default_factory=tuple)

    @property
    def findings(self) -> list[Finding]:
        """Every difference."""
        return [finding for check in self.checks for finding in check.findings]

    @property
    def passed(self) -> bool:
        """Whether nothing differs."""
        return not self.findings

    def to_dict(self) -> Mapping[str, object]:
        """Return plain data."""
        return {
            "run": self.run,
            "passed": self.passed,
            "checks": [
                {
                    "name": check.name,
                    "compared": check.compared,
                    "left_out": check.left_out,
                    "findings": [{"where": f.where, "what": f.what} for f in check.findings],
                }
                for check in self.checks
            ],
        }

"""The pairs of every role, closed under the role axioms: sub-roles, inverse, symmetric, transitive roles and chains.

The pairs of a role are sorted numbers ``source * n + target`` of n individuals. A transitive role is closed at once:
circles of individuals are taken together, and what each circle reaches is what its successors reach.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from conceptx.errors import InputError
from conceptx.expressions import Role
from conceptx.induction.individuals.axioms import Axioms

Pairs = npt.NDArray[np.int64]

_MOST_PAIRS = 20_000_000
_MOST_JOINED = 4_000_000_000


class Roles:
    """The pairs of every role; `put` adds to one, `close` draws the conclusions."""

    def __init__(self, axioms: Axioms, n: int) -> None:
        self.axioms, self.n = axioms, n
        self.pairs: dict[str, Pairs] = {role: np.zeros(0, np.int64) for role in axioms.roles}

    def put(self, role: Role, sources: npt.ArrayLike, targets: npt.ArrayLike) -> bool:
        """Add pairs to a role, or turned round for its inverse; return whether any is new."""
        one, other = (targets, sources) if role.inverse else (sources, targets)
        return self._add(role.name, np.asarray(one, np.int64) * self.n + np.asarray(other, np.int64))

    def ends(self, role: Role) -> tuple[Pairs, Pairs]:
        """Return the sources and the targets of a role, sorted by source and target of the role as it is named."""
        found = self.pairs.setdefault(role.name, np.zeros(0, np.int64))
        source, target = found // self.n, found % self.n
        return (target, source) if role.inverse else (source, target)

    def close(self) -> None:
        """Apply the role axioms until nothing is new."""
        axioms, changed = self.axioms, True
        while changed:
            changed = False
            for below, above in axioms.subroles:
                changed |= self.put(above, *self.ends(below))
            for name in axioms.transitive:
                changed |= self._add(name, self._reached(name, self.pairs.get(name, np.zeros(0, np.int64))))
            for chain, above in axioms.chains:
                if chain == (above, above):
                    changed |= self._add(above.name, self._reached(above.name, self.pairs[above.name]))
                    continue
                changed |= self._chain(chain, above)

    def _add(self, name: str, new: Pairs) -> bool:
        before = self.pairs.setdefault(name, np.zeros(0, np.int64))
        made = _distinct(np.concatenate([before, new])) if len(new) else before
        self._check(name, len(made))
        self.pairs[name] = made
        return len(made) > len(before)

    def _check(self, name: str, size: int) -> None:
        if size > _MOST_PAIRS:
            what = f"role {name!r} has more than {_MOST_PAIRS:,} pairs once it is closed"
            raise InputError(self.axioms.where, what, "take out the transitive role or the chain that makes them")

    def _chain(self, chain: tuple[Role, ...], above: Role) -> bool:
        """Add what a chain of roles links; a role that a chain of two prolongs is prolonged to the end at once."""
        if not chain:
            return False
        steps = [self._matrix(*self.ends(role)) for role in chain]
        for at, other in ((0, 1), (1, 0)):
            if len(chain) == 2 and chain[at] == above != chain[other]:
                keys = self._keys(steps[other])
                steps[other] = self._matrix(*divmod(self._reached(chain[other].name, keys), self.n))
        joined = steps[0]
        for step in steps[1:]:
            if np.diff(step.indptr)[joined.indices].sum(dtype=np.int64) > _MOST_JOINED:
                self._check(above.name, _MOST_PAIRS + 1)
            joined = joined @ step
        return self.put(above, *divmod(self._keys(joined), self.n))

    def _matrix(self, source: Pairs, target: Pairs) -> Any:
        from scipy import sparse

        return sparse.csr_array((np.ones(len(source), bool), (source, target)), shape=(self.n, self.n))

    def _keys(self, matrix: Any) -> Pairs:
        found = matrix.tocoo()
        return np.sort(found.row.astype(np.int64) * self.n + found.col)

    def _reached(self, name: str, keys: Pairs) -> Pairs:
        """Return all pairs of which the second is reached from the first."""
        from scipy import sparse
        from scipy.sparse.csgraph import connected_components

        if not len(keys):
            return keys
        nodes, ends = np.unique(np.concatenate([keys // self.n, keys % self.n]), return_inverse=True)
        a, b = ends[: len(keys)], ends[len(keys) :]
        graph = sparse.csr_array((np.ones(len(a), np.int8), (a, b)), shape=(len(nodes), len(nodes)))
        count, circle = connected_components(graph, connection="strong")
        size = np.bincount(circle, minlength=count)
        cyclic = size > 1
        cyclic[circle[a[a == b]]] = True
        links = _distinct(
            circle[a[circle[a] != circle[b]]].astype(np.int64) * count + circle[b[circle[a] != circle[b]]]
        )
        starts = np.searchsorted(links, np.arange(count + 1) * count)
        after = (links % count).astype(np.int64)
        members = np.split(nodes[np.argsort(circle, kind="stable")], np.cumsum(size)[:-1])
        reach: list[Pairs] = [after] * count
        made, total = [], 0
        seen, lengths = np.zeros(count, bool), np.zeros(count, np.int64)
        for c in _ends_first(starts, after, count):
            direct = after[starts[c] : starts[c + 1]]
            parts = [direct[:0]]
            # Those that reach most come first, and what they reach need not be looked at again.
            for d in direct[np.argsort(-lengths[direct], kind="stable")].tolist():
                if not seen[d]:
                    found = np.concatenate([[d], reach[d]])
                    parts.append(found[~seen[found]])
                    seen[found] = True
            reach[c] = np.concatenate(parts)
            lengths[c] = len(reach[c])
            seen[reach[c]] = False
            reached = [members[d] for d in reach[c].tolist()] + ([members[c]] if cyclic[c] else [])
            if reached:
                targets = np.concatenate(reached)
                total += len(targets) * int(size[c])
                self._check(name, total)
                made.append((members[c][:, None] * self.n + targets[None, :]).ravel())
        return np.sort(np.concatenate(made))


def _distinct(values: Pairs) -> Pairs:
    """Return the values sorted, each once (numpy's own `unique` hashes integers, many times slower for such ones)."""
    values = np.sort(values)
    return values[np.concatenate([[True], values[1:] != values[:-1]])] if len(values) else values


def _ends_first(starts: Pairs, after: Pairs, count: int) -> list[int]:
    """Return the nodes of a graph without circles so that each stands behind all that it leads to."""
    left = np.diff(starts)
    order = np.argsort(after, kind="stable")
    before = np.repeat(np.arange(count), left)[order]
    begins = np.searchsorted(after[order], np.arange(count + 1)).tolist()
    waiting, open_, found = np.flatnonzero(left == 0).tolist(), left.tolist(), []
    while waiting:
        one = waiting.pop()
        found.append(one)
        for other in before[begins[one] : begins[one + 1]].tolist():
            open_[other] -= 1
            if not open_[other]:
                waiting.append(other)
    return found

"""Roles closed under their axioms, against rules applied one by one to plain sets."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from conceptx.errors import InputError
from conceptx.expressions import Role
from conceptx.induction.individuals import roles as module
from conceptx.induction.individuals.axioms import Axioms
from conceptx.induction.individuals.roles import Roles

NAMES = ["r", "s", "t"]
ROLES = st.builds(Role, st.sampled_from(NAMES), st.booleans())
LINKS = st.lists(st.tuples(st.sampled_from(NAMES), st.integers(0, 6), st.integers(0, 6)), max_size=12)


def closed(axioms: Axioms, links: list[tuple[str, int, int]]) -> dict[str, set[tuple[int, int]]]:
    """Apply every rule to every pair until nothing is new."""
    found = {name: {(a, b) for role, a, b in links if role == name} for name in NAMES}

    def pairs(role: Role) -> set[tuple[int, int]]:
        return {(b, a) for a, b in found[role.name]} if role.inverse else set(found[role.name])

    def joined(chain: tuple[Role, ...]) -> set[tuple[int, int]]:
        made = pairs(chain[0])
        for role in chain[1:]:
            made = {(a, d) for a, b in made for c, d in pairs(role) if b == c}
        return made

    before = -1
    while before != sum(map(len, found.values())):
        before = sum(map(len, found.values()))
        rules = [((below,), above) for below, above in axioms.subroles] + axioms.chains
        for chain, above in [*rules, *(((Role(n), Role(n)), Role(n)) for n in axioms.transitive)]:
            found[above.name] |= {(b, a) for a, b in joined(chain)} if above.inverse else joined(chain)
    return found


@settings(max_examples=200, deadline=None)
@given(
    LINKS,
    st.lists(st.tuples(ROLES, ROLES), max_size=3),
    st.sets(st.sampled_from(NAMES)),
    st.lists(st.tuples(st.lists(ROLES, min_size=1, max_size=3).map(tuple), ROLES), max_size=2),
)
def test_roles_are_closed_as_by_rules(links, subroles, transitive, chains) -> None:
    axioms = Axioms("x", roles=dict.fromkeys(NAMES), subroles=subroles, chains=chains)
    axioms.transitive = dict.fromkeys(sorted(transitive))
    roles = Roles(axioms, 7)
    for name, a, b in links:
        roles.put(Role(name), [a], [b])
    roles.close()
    wanted = closed(axioms, links)
    for name in NAMES:
        assert set(zip(*(ends.tolist() for ends in roles.ends(Role(name))), strict=True)) == wanted[name]
        assert (np.diff(roles.pairs[name]) > 0).all()


def test_a_long_chain_is_closed_and_too_many_pairs_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    axioms = Axioms("x.nt", roles={"r": None}, transitive={"r": None})
    roles = Roles(axioms, 1001)
    roles.put(Role("r"), np.arange(1000), np.arange(1, 1001))
    roles.close()
    assert len(roles.pairs["r"]) == 1000 * 1001 // 2
    monkeypatch.setattr(module, "_MOST_PAIRS", 400_000)
    roles = Roles(axioms, 1001)
    roles.put(Role("r"), np.arange(1000), np.arange(1, 1001))
    with pytest.raises(InputError, match=r"x\.nt: role 'r' has more than 400,000 pairs once it is closed"):
        roles.close()

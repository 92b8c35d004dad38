"""Does verification keep the error rates that it prints, and what does it find? Simulated nulls and alternatives.

Run as ``python tests/benchmarks/bench_calibration.py [seeds] [power seeds]`` (default 200 and 10; some minutes). Every
seed draws images with labels, units, splits of 600, 300 and 300 images, and goes the whole way: search, controls,
tests, rule. The 600 images of evaluation and verification are held out.
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

import numpy as np
from scipy import stats

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from conceptx.verification.corrections import CORRECTIONS
from conceptx.verification.protocol import Protocol
from conceptx.verification.resampling import max_t, p_values, resample
from conceptx.verification.statistics import mann_whitney, tally
from conceptx.verification.verify import verify
from tests.verification.worlds import World, planted, world

UNITS = 40
DEFAULT = Protocol(name="conceptx", n_directions=0)
BARE = Protocol(name="without controls", controls=(), n_controls=0, n_directions=0)


def interval(hits: int, n: int) -> str:
    """Return a share with its exact 95 % interval."""
    ends = stats.binomtest(hits, n).proportion_ci(method="exact")
    return f"{hits}/{n} = {hits / n:.4f} [{ends.low:.4f}, {ends.high:.4f}]"


def confirmed_of(w: World, values: np.ndarray, protocol: Protocol, seed: int) -> np.ndarray:
    """Return which units are confirmed."""
    layer = w.layer(values)
    found = verify(layer, w.scenes, w.splits, w.hypotheses(layer), protocol=protocol, seed=seed, search=w.search())
    return np.array([u.verdict == "confirmed" for u in found.summary.units])


def tests_alone(seeds: int) -> None:
    """True nulls without a search: how often each p is at or below its level, a rate that should be the level."""
    levels = (0.05, 0.01)
    hits = {(name, level): 0 for name in ("Mann-Whitney", "permutation") for level in levels}
    families = dict.fromkeys(("max-T", *CORRECTIONS), 0)
    for seed in range(seeds):
        rng = np.random.default_rng(seed)
        common = rng.normal(size=300)
        values = rng.normal(size=(UNITS, 300)) + 0.5 * common
        values[UNITS // 2 :] = np.maximum(values[UNITS // 2 :] - 1, 0)
        extents = [[rng.permutation(300) < rng.integers(8, 150)] for _ in range(UNITS)]
        found = resample(list(values), extents, lambda e: e, bootstrap=0, permutations=999, seed=seed, word="null")
        p = {
            "Mann-Whitney": np.array([mann_whitney(tally(v, e)).p for v, (e,) in zip(values, extents, strict=True)]),
            "permutation": p_values(found),
        }
        for name, level in hits:
            hits[name, level] += int((p[name] <= level).sum())
        families["max-T"] += bool((max_t(found) <= 0.05).any())
        for name, correct in CORRECTIONS.items():
            families[name] += bool((correct(p["Mann-Whitney"]) <= 0.05).any())
    print(f"tests of true nulls without a search, {seeds} x {UNITS}:")
    for (name, level), n in hits.items():
        print(f"  {name}, p <= {level}: {interval(n, seeds * UNITS)}")
    for name, n in families.items():
        print(f"  {name}, any of {UNITS} at 0.05: {interval(n, seeds)}")


def nulls(seeds: int) -> None:
    """Units of pure noise, dense and sparse: how many are confirmed, and how many runs confirm any."""
    for protocol in (DEFAULT, BARE):
        started = time.perf_counter()
        units, runs = 0, 0
        for seed in range(seeds):
            rng = np.random.default_rng(seed)
            w = world(seed)
            noise = rng.normal(size=(UNITS, w.scenes.n_images))
            noise[UNITS // 2 :] = np.maximum(noise[UNITS // 2 :] - 0.5, 0)
            hits = int(confirmed_of(w, noise, protocol, seed).sum())
            units += hits
            runs += hits > 0
        print(f"protocol {protocol.name}, {seeds} seeds x {UNITS} units of noise, nominal 0.05:")
        print(f"  false confirmations a unit:      {interval(units, seeds * UNITS)}")
        print(f"  runs with any (= the FDR):       {interval(runs, seeds)}")
        print(f"  {time.perf_counter() - started:.0f} s")


def power(seeds: int) -> None:
    """Units that respond to a known expression, beside as many of noise, by strength and by definition of it."""
    definitions = {
        "variance of the signal over that of the noise": planted,
        "the expression's images are higher by so many standard deviations of the noise": shifted,
    }
    for words, make in definitions.items():
        print(f"power at signal-to-noise ({words}), 600 held-out images:")
        for strength in (0.25, 0.5, 1.0, 2.0, 4.0):
            found, total, false = 0, 0, 0
            for seed in range(seeds):
                w = world(seed)
                rng = np.random.default_rng(1000 + seed)
                able = [i for i, e in enumerate(w.extents) if 0.05 < e.mean() < 0.6]
                chosen = rng.choice(able, UNITS, replace=False)
                truth = np.stack([make(w.extents[i], strength, rng) for i in chosen])
                noise = rng.normal(size=(UNITS, w.scenes.n_images))
                hits = confirmed_of(w, np.concatenate([truth, noise]), DEFAULT, seed)
                found, false, total = found + int(hits[:UNITS].sum()), false + int(hits[UNITS:].sum()), total + UNITS
            share = f"{false}/{found + false}" if found + false else "none"
            print(f"  {strength:<5g} confirmed {interval(found, total)}; noise among the confirmed: {share}")


def shifted(extent: np.ndarray, strength: float, rng: np.random.Generator) -> np.ndarray:
    """Return ``strength · [holds] + standard normal noise``, as `conceptx.verification.planted` plants units."""
    return strength * extent + rng.normal(size=len(extent))


def main() -> None:
    """Print the error rates and the power."""
    given = [int(a) for a in sys.argv[1:]]
    seeds, power_seeds = given + [200, 10][len(given) :]
    tests_alone(seeds)
    nulls(seeds)
    power(power_seeds)


if __name__ == "__main__":
    main()

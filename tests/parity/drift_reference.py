#!/usr/bin/env python3
"""Writes drift.json: samples and what SciPy says of them, for src/monitor/drift_tests_test.cc.

    pip install numpy scipy; python3 tests/parity/drift_reference.py > tests/parity/drift.json
"""
import json
import sys

import numpy as np
from scipy import spatial, special, stats

random = np.random.default_rng(11)


def numbers(name, a, b):
    test = stats.ks_2samp(a, b, method="asymp")
    return {"name": name, "a": a.tolist(), "b": b.tolist(), "gap": test.statistic, "p": test.pvalue}


def categories(name, a, b):
    table = np.array([a, b], dtype=float)
    kept = table[:, table.sum(axis=0) > 0]
    test = stats.chi2_contingency(kept, correction=False)
    return {"name": name, "a": a, "b": b, "chi_square": test.statistic, "p": test.pvalue,
            "distance": spatial.distance.jensenshannon(a, b, base=2)}


def missing(a, n, b, m):
    test = stats.chi2_contingency([[a, n - a], [b, m - b]], correction=True)
    return {"missing_a": a, "rows_a": n, "missing_b": b, "rows_b": m, "chi_square": test.statistic, "p": test.pvalue}


def rounded(values, digits=3):
    return np.round(values, digits)


out = {
    "gamma_tail": [{"a": a, "x": x, "tail": special.gammaincc(a, x)}
                   for a in (0.5, 1, 2.5, 10, 60) for x in (0.01, 0.5, 2, 9, 30, 90)],
    "chi_square_quantile": [{"tail": t, "degrees": d, "x": stats.chi2.isf(t, d)}
                            for t in (0.5, 0.05, 0.01, 1e-6) for d in (1, 2, 9, 49)],
    "numbers": [
        numbers("same", rounded(random.normal(size=200)), rounded(random.normal(size=150))),
        numbers("moved", rounded(random.normal(size=180)), rounded(random.normal(0.4, size=220))),
        numbers("wider", rounded(random.normal(size=300)), rounded(random.normal(scale=1.7, size=90))),
        numbers("ties", rounded(random.poisson(3, 250).astype(float)), rounded(random.poisson(3.5, 250).astype(float))),
    ],
    "categories": [
        categories("same", [40, 31, 29, 12], [78, 66, 55, 25]),
        categories("moved", [400, 310, 290, 120], [280, 160, 255, 205]),
        categories("one more", [500, 300, 0], [180, 110, 30]),
    ],
    "missing": [missing(3, 1000, 9, 800), missing(0, 10000, 1, 1000), missing(120, 2000, 31, 700)],
}
json.dump(out, sys.stdout, separators=(",", ":"))
print()

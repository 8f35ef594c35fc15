#!/usr/bin/env python3
"""Writes linear.json: rows, and the weights scikit-learn gives them, for src/train/learners/linear_test.cc.

    pip install numpy scikit-learn; python3 tests/parity/linear_reference.py > tests/parity/linear.json

The program standardises features inside and penalises the mean loss a row, so scikit-learn is given standardised features
and C = 1 / (l2 rows), alpha = l2 rows (Ridge), alpha = l1 + l2 (ElasticNet). Weights are recorded for the raw features.
"""
import json
import sys
import warnings

import numpy as np
from sklearn.linear_model import ElasticNet, LogisticRegression, Ridge
from sklearn.preprocessing import StandardScaler

warnings.simplefilter("ignore")
random = np.random.default_rng(5)
rows = 150
x = random.normal(size=(rows, 5))
x[:, 1] = 0.8 * x[:, 0] + 0.6 * x[:, 1]          # correlated
x[:, 2] = 1000 + 50 * x[:, 2]                    # far from 0
x[:, 3] = (random.random(rows) < 0.2)            # one-hot, mostly 0
x = np.round(x, 3).astype(np.float32).astype(float)
signal = 1.5 * x[:, 0] - x[:, 1] + 0.02 * (x[:, 2] - 1000) + 1.2 * x[:, 3]
binary = (signal + random.logistic(size=rows) > 0.5).astype(int)
classes = np.digitize(signal + random.logistic(size=rows), [-1, 1.5])
value = np.round(300 + 40 * (signal + random.normal(size=rows)), 3)

scaler = StandardScaler().fit(x)
z = scaler.transform(x)


def raw(weights, intercept):
    weights = np.atleast_2d(weights)
    w = weights / scaler.scale_
    return {"weights": w.ravel().tolist(), "intercept": (np.atleast_1d(intercept) - w @ scaler.mean_).tolist()}


cases = []
for name, label in (("binary", binary), ("multiclass", classes)):
    for l2 in (0.001, 0.1):
        fit = LogisticRegression(C=1 / (l2 * rows), tol=1e-12, max_iter=100000).fit(z, label)
        cases.append({"name": f"{name} l2", "task": name, "l1": 0, "l2": l2, **raw(fit.coef_, fit.intercept_)})
l1 = 0.05
fit = LogisticRegression(C=1 / (l1 * rows), l1_ratio=1.0, solver="saga", tol=1e-13, max_iter=1000000).fit(z, binary)
cases.append({"name": "binary l1", "task": "binary", "l1": l1, "l2": 0, **raw(fit.coef_, fit.intercept_)})
for l2 in (0.01, 1):
    fit = Ridge(alpha=l2 * rows, tol=1e-12).fit(z, value)
    cases.append({"name": "ridge", "task": "regression", "l1": 0, "l2": l2, **raw(fit.coef_, fit.intercept_)})
for l1, l2 in ((2, 0.1), (20, 0.01)):
    fit = ElasticNet(alpha=l1 + l2, l1_ratio=l1 / (l1 + l2), tol=1e-12, max_iter=1000000).fit(z, value)
    cases.append({"name": "elastic net", "task": "regression", "l1": l1, "l2": l2, **raw(fit.coef_, fit.intercept_)})

json.dump({"features": x.ravel().tolist(), "binary": binary.tolist(), "multiclass": classes.tolist(),
           "regression": value.tolist(), "cases": cases}, sys.stdout, separators=(",", ":"))
print()

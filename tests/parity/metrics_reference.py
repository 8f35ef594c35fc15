"""Writes metrics.json: predictions, truths and what scikit-learn says of them, for src/evaluate/metrics_test.cc.

    pip install numpy scikit-learn; python3 tests/parity/metrics_reference.py > tests/parity/metrics.json

Predictions are floats (as the program's are) that scikit-learn sees as doubles, so that it computes in doubles; for
log_loss they are clipped before by the precision of a float, which is what it does with an array of floats. Where the
program says "undefined", null is recorded instead of scikit-learn's substitute and warning.
"""
import json
import math
import sys
import warnings

import numpy as np
import sklearn
from sklearn import metrics as m

warnings.simplefilter("ignore")
FLOAT_EPSILON = float(np.finfo(np.float32).eps)


def clipped(p):
    return np.clip(p, FLOAT_EPSILON, 1 - FLOAT_EPSILON)


def calibration_error(y, p, w):
    """Ten bins by mid-rank share of weight; ties stay together. No such function in scikit-learn."""
    total, gap = w.sum(), 0.0
    bins = {}
    for value in np.unique(p):
        tie = w[p == value].sum()
        at = min(9, int(10 * (w[p < value].sum() + tie / 2) / total))
        bins[at] = bins.get(at, p != p) | (p == value)
    for rows in bins.values():
        gap += abs((w[rows] * p[rows]).sum() - (w[rows] * y[rows]).sum())
    return gap / total


def binary(y, p, w, threshold):
    d = (p >= threshold).astype(int)
    both = 0 < (w * y).sum() < w.sum()
    k = dict(sample_weight=w)
    out = {
        "roc_auc": m.roc_auc_score(y, p, **k) if both else None,
        "average_precision": m.average_precision_score(y, p, **k) if both else None,
        "log_loss": m.log_loss(y, clipped(p), labels=[0, 1], **k),
        "brier": m.brier_score_loss(y, p, labels=[0, 1], **k),
        "accuracy": m.accuracy_score(y, d, **k),
        "balanced_accuracy": m.balanced_accuracy_score(y, d, **k) if both else None,
        "precision": m.precision_score(y, d, zero_division=np.nan, **k),
        "recall": m.recall_score(y, d, zero_division=np.nan, **k),
        "f1": m.f1_score(y, d, zero_division=np.nan, **k),
        "mcc": m.matthews_corrcoef(y, d, **k) if both and 0 < d.sum() < len(d) else None,
        "calibration_error": calibration_error(y, p, w),
    }
    return out


def multiclass(y, p, w):
    d = p.argmax(axis=1)
    labels = list(range(p.shape[1]))
    k = dict(sample_weight=w)
    every = all((w * (y == c)).sum() > 0 for c in labels)
    auc = None
    if every:
        auc = float(np.mean([m.roc_auc_score(y == c, p[:, c], **k) for c in labels]))
    return {
        "accuracy": m.accuracy_score(y, d, **k),
        "balanced_accuracy": m.balanced_accuracy_score(y, d, **k),
        "f1": m.f1_score(y, d, average="macro", **k),
        "precision": m.precision_score(y, d, average="macro", **k),
        "recall": m.recall_score(y, d, average="macro", **k),
        "mcc": m.matthews_corrcoef(y, d, **k),
        "roc_auc": auc,
        "log_loss": m.log_loss(y, clipped(p), labels=labels, **k),
    }


def regression(y, p, w):
    k = dict(sample_weight=w)
    plain = np.all(w == 1)
    spread = float((w * (y - np.average(y, weights=w)) ** 2).sum())
    return {
        "rmse": m.root_mean_squared_error(y, p, **k),
        "mae": m.mean_absolute_error(y, p, **k),
        "median_absolute_error": m.median_absolute_error(y, p, **({} if plain else k)),
        "r2": m.r2_score(y, p, **k) if spread > 0 else None,
        "mape": m.mean_absolute_percentage_error(y, p, **k) if np.all(y != 0) else None,
    }


def floats(values):
    return np.asarray(values, dtype=np.float32).astype(np.float64)


def main():
    random = np.random.default_rng(7)
    cases = []

    def add(name, task, y, p, w=None, threshold=0.5):
        p, y = floats(p), np.asarray(y, dtype=float)
        weight = np.ones(len(y)) if w is None else np.asarray(w, dtype=float)
        if task == "binary":
            expected = binary(y.astype(int), p, weight, threshold)
        elif task == "multiclass":
            expected = multiclass(y.astype(int), p, weight)
        else:
            expected = regression(y, p, weight)
        expected = {k: None if v is None or math.isnan(v) else float(v) for k, v in expected.items()}
        cases.append({"name": name, "task": task, "outputs": p.shape[1] if p.ndim > 1 else 1, "threshold": threshold,
                      "predicted": p.ravel().tolist(), "actual": y.tolist(),
                      "weight": [] if w is None else weight.tolist(), "expected": expected})

    n = 120
    p = random.uniform(size=n)
    y = (random.uniform(size=n) < p).astype(int)
    w = random.uniform(0.1, 3, size=n)
    add("plain", "binary", y, p)
    add("weights", "binary", y, p, w, 0.3)
    add("ties", "binary", y, np.round(p, 1))
    add("ties and weights", "binary", y, np.round(p, 1), w, 0.4)
    add("whole weights, some 0", "binary", y, np.round(p, 2), random.integers(0, 3, size=n))
    add("all predictions equal", "binary", y, np.full(n, 0.25))
    add("only class 1", "binary", np.ones(n), p)
    add("only class 0", "binary", np.zeros(n), p)
    add("certain, sometimes wrong", "binary", y, (p > 0.5) * 1.0)
    add("rare class", "binary", (random.uniform(size=n) < 0.03).astype(int), p * 0.2, None, 0.15)
    add("one row", "binary", [1], [0.75])

    for name, classes, weight in (("three classes", 3, None), ("five classes, weights", 5, w)):
        scores = random.normal(size=(n, classes))
        truth = (scores + random.normal(size=(n, classes))).argmax(axis=1)
        add(name, "multiclass", truth, np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True), weight)
    scores = np.round(random.uniform(size=(n, 4)), 1) + 0.05
    add("four classes, one never true, ties", "multiclass", random.integers(0, 3, size=n), scores / scores.sum(axis=1, keepdims=True))

    value = random.normal(50, 20, size=n)
    guess = value + random.normal(0, 5, size=n)
    add("plain", "regression", value, guess)
    add("odd number of rows", "regression", value[:-1], guess[:-1])
    add("weights", "regression", value, guess, w)
    add("whole weights, some 0", "regression", value, guess, random.integers(0, 3, size=n))
    add("constant truth", "regression", np.full(n, 3.0), guess)
    add("a zero among the values", "regression", np.r_[0, value[1:]], guess)
    add("one row", "regression", [4.0], [3.5])

    json.dump({"scikit_learn": sklearn.__version__, "cases": cases}, sys.stdout, indent=None, separators=(",", ":"))
    print()


main()

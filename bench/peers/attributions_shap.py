"""Exact contributions by a Python library: attributions_shap.py shap|fasttreeshap|fasttreeshap_v2 FOLDER."""
import pathlib
import sys

import numpy as np
import xgboost

from worker import obey

library, folder = sys.argv[1], pathlib.Path(sys.argv[2])
booster = xgboost.Booster(model_file=str(folder / "model.json"))
booster.set_param({"nthread": 1})
if library == "shap":
    import shap as module
    explainer = module.TreeExplainer(booster, feature_perturbation="tree_path_dependent")
    # It would hand XGBoost's models to XGBoost, which is a peer of its own: measured here is its own code.
    explainer.model.model_type = "internal"
else:
    import fasttreeshap as module
    explainer = module.TreeExplainer(booster, algorithm="v2" if library.endswith("v2") else "v1", n_jobs=1)
rows = np.fromfile(folder / "rows.f32", "<f4").reshape(-1, booster.num_features())


def explain(part):
    values = np.asarray(explainer.shap_values(part, check_additivity=False))
    return values


def answer(part):
    # Their base value leaves out XGBoost's roots; what is compared is each attribution, and that they add up.
    values = explain(part)
    margin = booster.predict(xgboost.DMatrix(part), output_margin=True)
    return np.hstack([values, margin[:, None] - values.sum(axis=1, keepdims=True)])


def case(n):
    state = [0]

    def work():
        begin = state[0] if state[0] + n <= len(rows) else 0
        state[0] = begin + n
        return explain(rows[begin:begin + n])
    return n, work, lambda: answer(rows[:max(n, 16)])


obey(module.__version__, {"one": case(1), "batch256": case(256)})

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
    # For XGBoost's boosters it would call XGBoost itself; its own C code is what is measured here.
    from shap.explainers._tree import TreeExplainer
else:
    import fasttreeshap as module
    explainer = module.TreeExplainer(booster, algorithm="v2" if library.endswith("v2") else "v1", n_jobs=1)
rows = np.fromfile(folder / "rows.f32", "<f4").reshape(-1, booster.num_features())


def explain(part):
    values = np.asarray(explainer.shap_values(part, check_additivity=False))
    base = np.full((len(part), 1), np.ravel(explainer.expected_value)[0])
    return np.hstack([values, base])


def case(n):
    state = [0]

    def work():
        begin = state[0] if state[0] + n <= len(rows) else 0
        state[0] = begin + n
        return explain(rows[begin:begin + n])
    return n, work, lambda: explain(rows[:max(n, 16)])


obey(module.__version__, {"one": case(1), "batch256": case(256)})

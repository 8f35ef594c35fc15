"""BentoML and XGBoost: WEB_MODEL names the model; bentoml serve web_bentoml:Forest."""
import os

import bentoml
import numpy as np
import xgboost


@bentoml.service(workers=1)
class Forest:
    def __init__(self):
        self.booster = xgboost.Booster(model_file=os.environ["WEB_MODEL"])
        self.booster.set_param({"nthread": 1})
        self.names = [f"x{i}" for i in range(self.booster.num_features())]

    @bentoml.api
    def predict(self, instances: list[dict[str, float]]) -> list[float]:
        rows = np.array([[row[name] for name in self.names] for row in instances], dtype=np.float32)
        return self.booster.inplace_predict(rows).tolist()

"""FastAPI and XGBoost as a team would write it: WEB_MODEL names the model; uvicorn web_fastapi:app."""
import os

import numpy as np
import xgboost
from fastapi import FastAPI
from pydantic import BaseModel

booster = xgboost.Booster(model_file=os.environ["WEB_MODEL"])
booster.set_param({"nthread": 1})
names = [f"x{i}" for i in range(booster.num_features())]
app = FastAPI()


class Request(BaseModel):
    instances: list[dict[str, float]]


# async: on the loop's own thread, which is quicker here than a hand-over to its pool.
@app.post("/predict")
async def predict(request: Request):
    rows = np.array([[row[name] for name in names] for row in request.instances], dtype=np.float32)
    return {"predictions": booster.inplace_predict(rows).tolist()}

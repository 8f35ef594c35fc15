"""lleaves on the model of FOLDER: forest_lleaves.py FOLDER. One thread; batches only, as a row costs mostly its Python."""
import importlib.metadata
import pathlib
import sys

import lleaves
import numpy as np

from worker import obey

folder = pathlib.Path(sys.argv[1])
model = lleaves.Model(model_file=str(folder / "model.lightgbm.txt"))
model.compile()
# It computes in doubles: rows are given as such, so that it needs no conversion.
rows = np.fromfile(folder / "rows.f32", "<f4").reshape(-1, model.num_feature()).astype("<f8")


def case(n):
    state = [0]

    def work():
        begin = state[0] if state[0] + n <= len(rows) else 0
        state[0] = begin + n
        return model.predict(rows[begin:begin + n], n_jobs=1)
    return n, work, lambda: model.predict(rows[:max(n, 4096)], n_jobs=1)


obey(importlib.metadata.version("lleaves"), {f"batch{n}": case(n) for n in (16, 4096, len(rows))} | {"one": case(1)})

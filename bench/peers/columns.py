"""The columns that bench_transforms and bench_profile write: NAME.f64, NAME.i64, NAME.i32 with the texts in NAME.levels."""
import pathlib
import re

import numpy as np


def load(folder):
    """{name: float64 array with NaN, int64 array, or (codes, levels)} in the order of the names."""
    folder, columns = pathlib.Path(folder), {}
    for path in sorted(folder.iterdir(), key=lambda p: [int(part) if part.isdigit() else part for part in re.split(r"(\d+)", p.name)]):
        if path.suffix == ".f64":
            columns[path.stem] = np.fromfile(path, "<f8")
        elif path.suffix == ".i64":
            columns[path.stem] = np.fromfile(path, "<i8")
        elif path.suffix == ".i32":
            codes = np.fromfile(path, "<i4")
            levels = path.with_suffix(".levels")
            texts = levels.read_text().splitlines() if levels.exists() else [f"level-{path.stem[1:]}-{k}" for k in range(50)]
            columns[path.stem] = (codes, np.array(texts, dtype=object))
    return columns


def texts_of(column):
    codes, levels = column
    return np.where(codes < 0, None, levels[codes])
